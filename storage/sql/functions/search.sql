-- Text search operators are not leakproof: behind a policy the planner would not use the index. The same for tasks is in
-- visibility.sql.
CREATE OR REPLACE FUNCTION matching_messages(query text) RETURNS SETOF messages LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT m.conversation_id, m.sequence, m.user_id, m.role, m.content, m.tool_calls, m.model, m.created_at, m.search,
        m.tool_call_id
    FROM public.messages m
    WHERE m.user_id = public.current_user_id()
      AND m.search @@ websearch_to_tsquery('simple'::regconfig, query);
END;
