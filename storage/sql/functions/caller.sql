-- Who is asking: set for one transaction by storage/engine/database.py. An empty string is nobody.
CREATE OR REPLACE FUNCTION current_user_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.user_id', true), '');
