-- One login for the server and one for the dashboard, with no more rights than they need. The owner of the database runs
-- this after each migration: psql -v server_password=... -v dashboard_password=... -f logins.sql taskdeck
SELECT format('CREATE ROLE %I LOGIN', login)
FROM unnest(ARRAY['tasks_server', 'tasks_dashboard']) AS login
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login)
\gexec

ALTER ROLE tasks_server PASSWORD :'server_password';
GRANT taskdeck_app TO tasks_server;

ALTER ROLE tasks_dashboard PASSWORD :'dashboard_password';
GRANT CREATE ON DATABASE :"DBNAME" TO tasks_dashboard;
GRANT EXECUTE ON FUNCTION taskdeck_pat_create, taskdeck_pat_list, taskdeck_pat_revoke, taskdeck_audit_record
    TO tasks_dashboard;
