/**
 * Announces every session that ends, whatever ended it, to the server, which then closes the session's live sockets and
 * refuses its tokens (storage/events/announcements.py).
 */
export const ANNOUNCE_SESSION_END = [
  `create or replace function auth.announce_session_end() returns trigger language plpgsql as $$
  begin
    perform pg_notify('taskdeck', json_build_object(
      'type', 'session_ended', 'user', old."userId", 'session', old.id)::text);
    return null;
  end $$`,
  `create or replace trigger session_ended after delete on auth.session
    for each row execute function auth.announce_session_end()`,
];
