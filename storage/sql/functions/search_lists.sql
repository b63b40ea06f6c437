-- Ranks conversations and tasks by the words of a question, as search.sql ranks messages.

-- The caller's conversations with what rank_messages finds, or with words of the question in their title. Of the messages,
-- the best one counts; the title counts as a message would. `newest` is the time of the last message, which decides among
-- equals: unlike the time of the last change, it stays the same while pages are read.
CREATE OR REPLACE FUNCTION rank_conversations(searches jsonb, terms jsonb, messages bigint, average double precision, asked text,
    speaker text, inside bigint, since timestamptz, before timestamptz)
RETURNS TABLE (conversation_id bigint, newest timestamptz, score bigint, frequencies bigint[])
LANGUAGE sql STABLE SET search_path = ''
BEGIN ATOMIC
    WITH said AS MATERIALIZED (
        SELECT r.conversation_id, max(r.score) AS score, max(r.frequencies) AS frequencies
        FROM public.rank_messages(searches, terms, messages, average, asked, speaker, inside, since, before) r
        GROUP BY r.conversation_id
    ), weights AS MATERIALIZED (
        SELECT t.term, t.exact, t.lexemes, t.factor, f.frequency,
            (SELECT string_agg(quote_literal(l.lexeme), ' | ') FROM unnest(t.lexemes) AS l (lexeme))::tsquery AS forms,
            t.factor * ln(1 + (messages - f.frequency + 0.5) / (f.frequency + 0.5)) AS weight
        FROM jsonb_to_recordset(terms) AS t (term integer, exact text, lexemes text[], factor double precision, frequency bigint)
        CROSS JOIN LATERAL (SELECT least(messages,
            coalesce((SELECT s.frequencies[t.term + 1] FROM said s LIMIT 1), t.frequency, 0)) AS frequency) f
    ), titled AS (
        SELECT c.id, sum(w.weight * (0.15
            + CASE WHEN o.is_exact THEN 1.1 ELSE 1 END * o.number * 1.8 / (o.number + 0.56 + 0.24 * octet_length(c.title) / average))) AS score
        FROM public.conversations c JOIN weights w ON c.search @@ w.forms
        CROSS JOIN LATERAL (SELECT max(n.number) AS number, bool_or(l.lexeme = w.exact AND n.number > 0) AS is_exact
            FROM unnest(w.lexemes) AS l (lexeme) CROSS JOIN LATERAL (SELECT public.count_lexeme(setweight(c.search, 'D'),
                quote_literal(l.lexeme)::tsquery) AS number OFFSET 0) n) o
        WHERE c.user_id = (SELECT public.current_user_id()) AND speaker IS NULL AND since IS NULL
            AND (inside IS NULL OR c.id = inside) AND c.created_at < coalesce(before, 'infinity')
            -- Function words alone have to be there all of them.
            AND c.search @@ (SELECT CASE WHEN bool_and(v.factor < 1) THEN string_agg('(' || v.forms::text || ')', ' & ')
                ELSE string_agg(v.forms::text, ' | ') FILTER (WHERE v.factor = 1) END FROM weights v)::tsquery
            AND coalesce(c.search @@ (SELECT public.search_query(nullif(asked, ''))), true)
        GROUP BY c.id
    ), found AS (
        SELECT coalesce(s.conversation_id, t.id) AS id,
            coalesce(s.score, 0) + (1000000 * coalesce(t.score, 0))::bigint AS score
        FROM said s FULL JOIN titled t ON t.id = s.conversation_id
    )
    SELECT c.id, coalesce((SELECT m.created_at FROM public.messages m
            WHERE m.conversation_id = c.id AND m.user_id = c.user_id AND m.created_at < coalesce(before, 'infinity')
            ORDER BY m.sequence DESC LIMIT 1), c.created_at),
        f.score, (SELECT array_agg(w.frequency ORDER BY w.term) FROM weights w)
    FROM found f JOIN public.conversations c ON c.id = f.id;
END;

-- The tasks that the caller sees and that have any of the words (of function words alone, all), scored by BM25 in millionths
-- with the statistics of the tasks that were found. `statistics` are the number of tasks, their average size and how many
-- have each word: the next page gives them back as `pinned`. At most 24 words count, function words last and a tenth.
--
-- The three sets of visible tasks are those of matching_task_ids, for the same reason.
CREATE OR REPLACE FUNCTION rank_tasks(words text, asked text, pinned bigint[])
RETURNS TABLE (id bigint, score bigint, statistics bigint[])
LANGUAGE sql STABLE ROWS 100 SECURITY DEFINER SET search_path = '' SET max_parallel_workers_per_gather = 0
BEGIN ATOMIC
    WITH terms AS MATERIALIZED (
        SELECT row_number() OVER (ORDER BY t.is_common, t.place)::integer AS place, t.word, t.lexemes, t.is_common,
            (SELECT string_agg(quote_literal(l.lexeme), ' | ') FROM unnest(t.lexemes) AS l (lexeme))::tsquery AS forms
        FROM public.search_terms(words) WITH ORDINALITY AS t (word, lexemes, is_common, place)
        ORDER BY t.is_common, t.place LIMIT 24
    ), wanted AS MATERIALIZED (
        SELECT (CASE WHEN bool_and(t.is_common) THEN string_agg('(' || t.forms::text || ')', ' & ')
            ELSE string_agg(t.forms::text, ' | ') FILTER (WHERE NOT t.is_common) END)::tsquery
            && coalesce(public.search_query(nullif(asked, '')), '') AS condition
        FROM terms t
    ), found AS MATERIALIZED (
        SELECT t.id, setweight(t.search, 'D') AS search, octet_length(t.title) + coalesce(octet_length(t.description), 0) AS size
        FROM public.tasks t WHERE t.user_id = public.current_user_id() AND t.deleted_at IS NULL
            AND t.search @@ (SELECT w.condition FROM wanted w)
        UNION ALL
        SELECT t.id, setweight(t.search, 'D'), octet_length(t.title) + coalesce(octet_length(t.description), 0)
        FROM public.tasks t WHERE t.team_id = ANY (public.my_team_ids()) AND t.deleted_at IS NULL
            AND t.search @@ (SELECT w.condition FROM wanted w) AND t.user_id <> public.current_user_id()
        UNION ALL
        SELECT t.id, setweight(t.search, 'D'), octet_length(t.title) + coalesce(octet_length(t.description), 0)
        FROM public.tasks t WHERE t.id = ANY (public.my_shared_task_ids()) AND t.deleted_at IS NULL
            AND t.search @@ (SELECT w.condition FROM wanted w) AND t.user_id <> public.current_user_id()
            AND coalesce(t.team_id <> ALL (public.my_team_ids()), true)
    ), counted AS MATERIALIZED (
        SELECT f.id, f.size, t.place, max(o.number) AS number, bool_or(l.lexeme = t.word) AS is_exact
        FROM found f JOIN terms t ON f.search @@ t.forms CROSS JOIN LATERAL unnest(t.lexemes) AS l (lexeme)
        CROSS JOIN LATERAL (SELECT public.count_lexeme(f.search, quote_literal(l.lexeme)::tsquery) AS number OFFSET 0) o
        WHERE o.number > 0 GROUP BY f.id, f.size, t.place
    ), known AS MATERIALIZED (
        SELECT coalesce(pinned, ARRAY[
            -- How many there are in all matters little beyond some thousand.
            (SELECT count(*) FROM (SELECT 1 FROM public.tasks t WHERE t.user_id = public.current_user_id()
                AND t.deleted_at IS NULL LIMIT 10000) s) + (SELECT count(*) FROM found),
            (SELECT coalesce(avg(f.size), 1)::bigint FROM found f)
        ] || ARRAY(SELECT (SELECT count(*) FROM counted c WHERE c.place = t.place) FROM terms t ORDER BY t.place)) AS statistics
    ), weights AS MATERIALIZED (
        SELECT t.place, greatest(1, k.statistics[2]) AS average, CASE WHEN t.is_common THEN 0.1 ELSE 1 END
            * ln(1 + greatest(0, k.statistics[1] - f.frequency + 0.5) / (f.frequency + 0.5)) AS weight
        FROM known k CROSS JOIN terms t
        CROSS JOIN LATERAL (SELECT greatest(0, k.statistics[t.place + 2])::double precision AS frequency) f
    )
    SELECT c.id, sum(1000000 * w.weight * CASE WHEN c.is_exact THEN 1.1 ELSE 1 END
        * c.number * 1.8 / (c.number + 0.56 + 0.24 * c.size / w.average))::bigint, k.statistics
    FROM counted c JOIN weights w ON w.place = c.place CROSS JOIN known k GROUP BY c.id, k.statistics;
END;
