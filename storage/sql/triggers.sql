CREATE OR REPLACE TRIGGER tasks_touch BEFORE UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION touch_task();

CREATE OR REPLACE TRIGGER tasks_place BEFORE INSERT OR UPDATE OF team_id, parent_id ON tasks
    FOR EACH ROW EXECUTE FUNCTION place_task();

CREATE OR REPLACE TRIGGER tasks_hold_membership BEFORE INSERT OR UPDATE OF team_id ON tasks
    FOR EACH ROW WHEN (NEW.team_id IS NOT NULL) EXECUTE FUNCTION hold_membership();

CREATE OR REPLACE TRIGGER tasks_record_created AFTER INSERT ON tasks
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION record_created_tasks();

CREATE OR REPLACE TRIGGER tasks_record_changed AFTER UPDATE ON tasks
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION record_changed_tasks();

CREATE OR REPLACE TRIGGER task_shares_record AFTER INSERT OR UPDATE OF permission OR DELETE ON task_shares
    FOR EACH ROW EXECUTE FUNCTION record_share();

-- Days begin at another time: whoever shows the person's numbers reads them again.
CREATE OR REPLACE TRIGGER users_announce_timezone AFTER UPDATE OF chosen_timezone, timezone, default_timezone ON users
    FOR EACH ROW WHEN (coalesce(OLD.chosen_timezone, OLD.timezone, OLD.default_timezone)
        IS DISTINCT FROM coalesce(NEW.chosen_timezone, NEW.timezone, NEW.default_timezone))
    EXECUTE FUNCTION announce_user();

CREATE OR REPLACE TRIGGER team_members_announce AFTER INSERT OR DELETE ON team_members
    FOR EACH ROW EXECUTE FUNCTION announce_member();

CREATE OR REPLACE TRIGGER team_members_announce_team AFTER INSERT OR UPDATE OF role OR DELETE ON team_members
    FOR EACH ROW EXECUTE FUNCTION announce_team();

CREATE OR REPLACE TRIGGER invitations_announce AFTER INSERT OR UPDATE OF status, offered ON invitations
    FOR EACH ROW EXECUTE FUNCTION announce_invitation();

CREATE OR REPLACE TRIGGER team_members_keep_owner BEFORE UPDATE OR DELETE ON team_members
    FOR EACH ROW EXECUTE FUNCTION keep_team_owner();

CREATE OR REPLACE TRIGGER team_members_hand_over AFTER DELETE ON team_members
    FOR EACH ROW EXECUTE FUNCTION hand_over_tasks();

CREATE OR REPLACE TRIGGER conversations_announce AFTER INSERT OR UPDATE OR DELETE ON conversations
    FOR EACH ROW EXECUTE FUNCTION announce_conversation();

CREATE OR REPLACE TRIGGER tasks_announce_moves AFTER UPDATE ON tasks
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION announce_moves();

CREATE OR REPLACE TRIGGER tasks_announce_loss AFTER DELETE ON tasks
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION announce_loss();

-- The audit log (functions/audit.sql).
CREATE OR REPLACE TRIGGER task_shares_audit AFTER INSERT OR DELETE OR UPDATE OF permission ON task_shares
    FOR EACH ROW EXECUTE FUNCTION audit_share();

CREATE OR REPLACE TRIGGER team_members_audit AFTER INSERT OR DELETE OR UPDATE OF role ON team_members
    FOR EACH ROW EXECUTE FUNCTION audit_member();

CREATE OR REPLACE TRIGGER teams_audit AFTER INSERT OR DELETE ON teams
    FOR EACH ROW EXECUTE FUNCTION audit_team();

CREATE OR REPLACE TRIGGER invitations_audit AFTER INSERT OR UPDATE OF status ON invitations
    FOR EACH ROW EXECUTE FUNCTION audit_invitation();

CREATE OR REPLACE TRIGGER personal_access_tokens_audit AFTER INSERT OR UPDATE OF revoked_at ON personal_access_tokens
    FOR EACH ROW EXECUTE FUNCTION audit_token();

CREATE OR REPLACE TRIGGER conversations_audit AFTER DELETE ON conversations
    FOR EACH ROW EXECUTE FUNCTION audit_conversation();

CREATE OR REPLACE TRIGGER tasks_audit AFTER UPDATE OF deleted_at ON tasks
    FOR EACH ROW WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)) EXECUTE FUNCTION audit_deleted_task();

CREATE OR REPLACE TRIGGER users_refuse_ended AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse_ended_user();

-- Replacing a trigger does not enable one that was disabled.

ALTER TABLE tasks ENABLE TRIGGER USER;

ALTER TABLE task_shares ENABLE TRIGGER USER;

ALTER TABLE users ENABLE TRIGGER USER;

ALTER TABLE team_members ENABLE TRIGGER USER;

ALTER TABLE conversations ENABLE TRIGGER USER;

ALTER TABLE teams ENABLE TRIGGER USER;

ALTER TABLE invitations ENABLE TRIGGER USER;

ALTER TABLE personal_access_tokens ENABLE TRIGGER USER;
