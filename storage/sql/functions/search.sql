-- Text search operators are not leakproof: behind a policy the planner would not use the index.
CREATE OR REPLACE FUNCTION matching_task_ids(query text) RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT coalesce(array_agg(found.id), '{}') FROM (
        SELECT t.id FROM public.tasks t
        WHERE t.user_id = public.current_user_id() AND t.deleted_at IS NULL
          AND t.search @@ websearch_to_tsquery('simple'::regconfig, query)
        UNION
        SELECT t.id FROM public.tasks t
        WHERE t.team_id = ANY (public.my_team_ids()) AND t.deleted_at IS NULL
          AND t.search @@ websearch_to_tsquery('simple'::regconfig, query)
        UNION
        SELECT t.id FROM public.tasks t
        WHERE t.id = ANY (public.my_shared_task_ids()) AND t.deleted_at IS NULL
          AND t.search @@ websearch_to_tsquery('simple'::regconfig, query)
    ) found;
END;

CREATE OR REPLACE FUNCTION matching_messages(query text) RETURNS SETOF messages LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
BEGIN ATOMIC
    SELECT m.conversation_id, m.sequence, m.user_id, m.role, m.content, m.tool_calls, m.model, m.created_at, m.search,
        m.tool_call_id
    FROM public.messages m
    WHERE m.user_id = public.current_user_id()
      AND m.search @@ websearch_to_tsquery('simple'::regconfig, query);
END;
