-- Search by words in the caller's messages. Two statements: survey_messages says how often each word of a question occurs,
-- and rank_messages scores what contains the rarest of them (storage/search/ranking.py decides which).
--
-- Text search operators are not leakproof: behind a policy the planner would not use an index. So what reads an index is
-- SECURITY DEFINER and filters by the caller itself; everything else runs as the caller, behind the policies.
--
-- `(m.user_id = me) IS TRUE` uses no index: for `m.user_id = me` the planner would read the index on times as well, with
-- all messages of the caller, and combine the two.

-- The caller's conversations with a message that meets a condition. The index finds the messages with its two longest
-- words, which are likely to be the rarest; beside an alternative, those with any of its words.
CREATE OR REPLACE FUNCTION matching_messages(query text) RETURNS TABLE (conversation_id bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' SET enable_seqscan = off
SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    me text := public.current_user_id();
    condition tsquery := public.search_query(query);
    wanted text := regexp_replace(query, '(^|\s)-("[^"]*"?|\S+)', ' ', 'g');
    alternatives boolean := wanted ~* '(^|\s)or(\s|$)';
    one integer[];
    other integer[];
    found integer[];
BEGIN
    FOR found IN SELECT ARRAY(SELECT hashtext(me || ' ' || l.lexeme) FROM unnest(t.lexemes) AS l (lexeme))
        FROM public.search_terms(wanted) t ORDER BY t.is_common, length(t.word) DESC
    LOOP
        IF one IS NULL OR alternatives THEN one := one || found; ELSE other := coalesce(other, found); END IF;
    END LOOP;
    IF one IS NULL THEN
        RETURN QUERY SELECT DISTINCT m.conversation_id FROM public.messages m WHERE m.user_id = me AND m.search @@ condition;
    END IF;
    RETURN QUERY SELECT DISTINCT m.conversation_id FROM public.messages m
        WHERE (m.user_id = me) IS TRUE AND public.message_keys(m.user_id, m.conversation_id, m.sequence, m.search) && one
            AND public.message_keys(m.user_id, m.conversation_id, m.sequence, m.search) && coalesce(other, one)
            AND m.search @@ condition;
END $$;

-- How often the words of a question occur in the caller's messages, by the sample; how many messages there are, and their
-- average size in bytes. At most 24 words count, function words last. A word is not looked up if it is a function word, or
-- if there are few messages.
CREATE OR REPLACE FUNCTION survey_messages(asked text)
RETURNS TABLE (word text, lexemes text[], is_common boolean, sampled bigint, messages bigint, size double precision,
    moment timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' SET enable_seqscan = off
SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    me text := public.current_user_id();
    total bigint := (SELECT coalesce(sum(c.message_count), 0) FROM public.conversations c WHERE c.user_id = me);
    average double precision := (SELECT avg(octet_length(s.content)) FROM (
        SELECT m.content FROM public.messages m WHERE m.user_id = me ORDER BY m.created_at DESC LIMIT 300) s);
BEGIN
    RETURN QUERY
    SELECT t.word, t.lexemes, t.is_common, CASE WHEN total > 2000 AND NOT t.is_common THEN (SELECT count(*) FROM public.messages m
        WHERE (m.user_id = me) IS TRUE AND public.message_keys(m.user_id, m.conversation_id, m.sequence, m.search)
            && ARRAY(SELECT hashtext(me || '~' || l.lexeme) FROM unnest(t.lexemes) AS l (lexeme))) END,
        total, coalesce(average, 100), now()
    FROM (SELECT s.* FROM public.search_terms(asked) WITH ORDINALITY AS s (word, lexemes, is_common, place)
        ORDER BY s.is_common, s.place LIMIT 24) t;
END $$;

-- The caller's messages with a word, the newest `most` of them, for each of several searches:
--   {"term": 1, "any": [lexemes], "most": 2000}        by the index
--   {"also": [lexemes], ...}                           that have one of these as well
--   {"all": text, ...}                                 that have all words of a text
--   {"walk": true, ...}                                by going backwards in time, for a word that is nearly everywhere
-- In one conversation, all of its messages are looked at.
CREATE OR REPLACE FUNCTION find_messages(searches jsonb, condition tsquery, speaker text, inside bigint,
    since timestamptz, before timestamptz, before_conversation bigint, before_sequence integer)
RETURNS TABLE (term integer, conversation_id bigint, sequence integer, created_at timestamptz, size integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' SET enable_seqscan = off SET work_mem = '32MB'
SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    me text := public.current_user_id();
    one record;
BEGIN
    -- What the index on words finds is materialized: else the planner would go through the index on times to save a sort.
    FOR one IN SELECT s.term, s.most, s.walk, s."all" IS NOT NULL AS whole, s.also IS NOT NULL AS both, (
                SELECT string_agg('(' || q.alternatives || ')', ' & ')::tsquery FROM (
                    SELECT string_agg(quote_literal(l.lexeme), ' | ') AS alternatives FROM unnest(s."any") AS l (lexeme)
                    UNION ALL SELECT string_agg(quote_literal(l.lexeme), ' | ') FROM unnest(s.also) AS l (lexeme)
                    UNION ALL SELECT string_agg(quote_literal(l.lexeme), ' & ') FROM unnest(w.words) AS l (lexeme)) q
            ) AS wanted,
            ARRAY(SELECT hashtext(me || ' ' || l.lexeme) FROM unnest(coalesce(s."any", w.words)) AS l (lexeme)) AS keys,
            ARRAY(SELECT hashtext(me || ' ' || l.lexeme) FROM unnest(s.also) AS l (lexeme)) AS also_keys
        FROM jsonb_to_recordset(searches) AS s (term integer, "any" text[], also text[], "all" text, walk boolean, most integer)
        CROSS JOIN LATERAL (SELECT CASE WHEN s."all" IS NOT NULL THEN ARRAY(SELECT left(public.fold_text(p.word), 60)
            FROM unnest(public.split_words(s."all", false)) AS p (word) WHERE p.word <> '') END AS words) w
    LOOP
        IF inside IS NOT NULL THEN
            RETURN QUERY SELECT one.term, m.conversation_id, m.sequence, m.created_at, octet_length(m.content) FROM public.messages m
            WHERE m.user_id = me AND m.conversation_id = inside AND m.search @@ one.wanted
                AND (condition IS NULL OR m.search @@ condition) AND (speaker IS NULL OR m.role = speaker)
                AND m.created_at >= coalesce(since, '-infinity')
                AND (m.created_at, m.conversation_id, m.sequence) < (coalesce(before, 'infinity'), before_conversation, before_sequence)
            ORDER BY m.created_at DESC, m.conversation_id DESC, m.sequence DESC LIMIT one.most;
        ELSIF one.walk THEN
            RETURN QUERY SELECT one.term, m.conversation_id, m.sequence, m.created_at, octet_length(m.content) FROM public.messages m
            WHERE m.user_id = me AND m.search @@ one.wanted
                AND (condition IS NULL OR m.search @@ condition) AND (speaker IS NULL OR m.role = speaker)
                AND m.created_at >= coalesce(since, '-infinity')
                AND (m.created_at, m.conversation_id, m.sequence) < (coalesce(before, 'infinity'), before_conversation, before_sequence)
            ORDER BY m.created_at DESC, m.conversation_id DESC, m.sequence DESC LIMIT one.most;
        ELSIF one.whole THEN
            RETURN QUERY WITH f AS MATERIALIZED (
                SELECT m.conversation_id, m.sequence, m.created_at, octet_length(m.content) AS size FROM public.messages m
                WHERE (m.user_id = me) IS TRUE AND public.message_keys(m.user_id, m.conversation_id, m.sequence, m.search) @> one.keys
                    AND (condition IS NULL OR m.search @@ condition) AND (speaker IS NULL OR m.role = speaker)
            )
            SELECT one.term, m.* FROM f m WHERE m.created_at >= coalesce(since, '-infinity')
                AND (m.created_at, m.conversation_id, m.sequence) < (coalesce(before, 'infinity'), before_conversation, before_sequence)
            ORDER BY m.created_at DESC, m.conversation_id DESC, m.sequence DESC LIMIT one.most;
        ELSIF one.both THEN
            RETURN QUERY WITH f AS MATERIALIZED (
                SELECT m.conversation_id, m.sequence, m.created_at, octet_length(m.content) AS size FROM public.messages m
                WHERE (m.user_id = me) IS TRUE AND public.message_keys(m.user_id, m.conversation_id, m.sequence, m.search) && one.keys
                    AND public.message_keys(m.user_id, m.conversation_id, m.sequence, m.search) && one.also_keys
                    AND (condition IS NULL OR m.search @@ condition) AND (speaker IS NULL OR m.role = speaker)
            )
            SELECT one.term, m.* FROM f m WHERE m.created_at >= coalesce(since, '-infinity')
                AND (m.created_at, m.conversation_id, m.sequence) < (coalesce(before, 'infinity'), before_conversation, before_sequence)
            ORDER BY m.created_at DESC, m.conversation_id DESC, m.sequence DESC LIMIT one.most;
        ELSE
            RETURN QUERY WITH f AS MATERIALIZED (
                SELECT m.conversation_id, m.sequence, m.created_at, octet_length(m.content) AS size FROM public.messages m
                WHERE (m.user_id = me) IS TRUE AND public.message_keys(m.user_id, m.conversation_id, m.sequence, m.search) && one.keys
                    AND (condition IS NULL OR m.search @@ condition) AND (speaker IS NULL OR m.role = speaker)
            )
            SELECT one.term, m.* FROM f m WHERE m.created_at >= coalesce(since, '-infinity')
                AND (m.created_at, m.conversation_id, m.sequence) < (coalesce(before, 'infinity'), before_conversation, before_sequence)
            ORDER BY m.created_at DESC, m.conversation_id DESC, m.sequence DESC LIMIT one.most;
        END IF;
    END LOOP;
END $$;

-- How often a lexeme occurs in a text, up to twelve times: ts_rank of one lexeme is the sum of 1/n² over its occurrences,
-- divided by pi²/6. Counting them in SQL would unpack every lexeme of the text.
CREATE OR REPLACE FUNCTION count_lexeme(words tsvector, lexeme tsquery) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN width_bucket(ts_rank('{1,1,1,1}', words, lexeme)::double precision * 1.64493406685,
    '{0.999,1.249,1.36,1.422,1.462,1.49,1.51,1.526,1.538,1.548,1.556,1.563}'::double precision[]);

-- The caller's messages that `searches` find, scored in millionths: BM25 (k1 0.8, b 0.3) with the statistics of the
-- caller's messages, 0.4 of the scores of the messages before and after, and 0.15 of what the words weigh that occur
-- anywhere in the conversation or in its title. Terms are {"term", "exact", "lexemes", "factor", "frequency"}; a frequency that is left
-- out is the number of messages found for the term. The best 300 are scored by their whole text, the others by the words
-- that found them; `tier` is 1 for the best and 0 for the others. `frequencies` returns what was counted, for the next page.
CREATE OR REPLACE FUNCTION rank_messages(searches jsonb, terms jsonb, messages bigint, average double precision, asked text,
    speaker text, inside bigint, since timestamptz, before timestamptz)
RETURNS TABLE (conversation_id bigint, sequence integer, created_at timestamptz, tier integer, score bigint, frequencies bigint[])
LANGUAGE sql STABLE SET search_path = ''
BEGIN ATOMIC
    WITH hits AS MATERIALIZED (
        SELECT f.* FROM public.find_messages(searches, public.search_query(nullif(asked, '')), speaker, inside, since, before,
            -1, -1) f
    ), weights AS MATERIALIZED (
        SELECT t.term, t.exact, t.lexemes, f.frequency,
            (SELECT string_agg(quote_literal(l.lexeme), ' | ') FROM unnest(t.lexemes) AS l (lexeme))::tsquery AS forms,
            t.factor * ln(1 + (messages - f.frequency + 0.5) / (f.frequency + 0.5)) AS weight
        FROM jsonb_to_recordset(terms) AS t (term integer, exact text, lexemes text[], factor double precision, frequency bigint)
        LEFT JOIN (SELECT h.term, count(*) AS number FROM hits h GROUP BY h.term) c ON c.term = t.term
        CROSS JOIN LATERAL (SELECT least(messages, coalesce(t.frequency, c.number, 0)) AS frequency) f
    ), found AS MATERIALIZED (
        SELECT h.conversation_id, h.sequence, h.created_at, h.size,
            coalesce(sum(w.weight * 1.8 / (1.56 + 0.24 * h.size / average)), 0) AS score
        FROM hits h LEFT JOIN weights w ON w.term = h.term
        GROUP BY h.conversation_id, h.sequence, h.created_at, h.size
    ), best AS MATERIALIZED (
        SELECT b.conversation_id, b.sequence, b.size, setweight(m.search, 'D') AS words
        FROM (SELECT f.* FROM found f
            ORDER BY f.score DESC, f.created_at DESC, f.conversation_id DESC, f.sequence DESC LIMIT 300) b
        JOIN public.messages m ON m.conversation_id = b.conversation_id AND m.sequence = b.sequence
    ), counted AS (
        SELECT b.conversation_id, b.sequence, b.size, w.term, w.weight, max(o.number) AS number,
            bool_or(l.lexeme = w.exact) AS is_exact
        FROM best b JOIN weights w ON b.words @@ w.forms CROSS JOIN LATERAL unnest(w.lexemes) AS l (lexeme)
        CROSS JOIN LATERAL (SELECT public.count_lexeme(b.words, (quote_literal(l.lexeme))::tsquery) AS number OFFSET 0) o
        WHERE o.number > 0 GROUP BY b.conversation_id, b.sequence, b.size, w.term, w.weight
    ), scored AS (
        SELECT f.conversation_id, f.sequence, f.created_at, (b.score IS NOT NULL)::integer AS tier, coalesce(b.score, f.score) AS score
        FROM found f LEFT JOIN (
            SELECT c.conversation_id, c.sequence, sum(c.weight * CASE WHEN c.is_exact THEN 1.1 ELSE 1 END
                * c.number * 1.8 / (c.number + 0.56 + 0.24 * c.size / average)) AS score
            FROM counted c GROUP BY c.conversation_id, c.sequence
        ) b ON b.conversation_id = f.conversation_id AND b.sequence = f.sequence
    ), covered AS (
        SELECT d.conversation_id, sum(d.weight) AS weight FROM (
            SELECT h.conversation_id, w.term, w.weight FROM hits h JOIN weights w ON w.term = h.term
            UNION SELECT c.conversation_id, c.term, c.weight FROM counted c
            UNION SELECT t.id, w.term, w.weight FROM public.conversations t JOIN weights w ON t.search @@ w.forms
                WHERE t.id = ANY (ARRAY(SELECT DISTINCT b.conversation_id FROM best b))) d
        GROUP BY d.conversation_id
    ), beside AS (
        SELECT s.*, lag(s.score) OVER w AS score_before, lag(s.sequence) OVER w AS number_before,
            lead(s.score) OVER w AS score_after, lead(s.sequence) OVER w AS number_after
        FROM scored s WINDOW w AS (PARTITION BY s.conversation_id ORDER BY s.sequence)
    )
    SELECT b.conversation_id, b.sequence, b.created_at, b.tier, (1000000 * (b.score
            + 0.4 * CASE WHEN b.number_before = b.sequence - 1 THEN b.score_before ELSE 0 END
            + 0.4 * CASE WHEN b.number_after = b.sequence + 1 THEN b.score_after ELSE 0 END
            + 0.15 * coalesce(c.weight, 0)))::bigint,
        (SELECT array_agg(w.frequency ORDER BY w.term) FROM weights w)
    FROM beside b LEFT JOIN covered c ON c.conversation_id = b.conversation_id;
END;

-- The text of a message, or of a long one the 4,000 characters around the first of these words that it contains.
CREATE OR REPLACE FUNCTION message_passage(content text, words text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    plain text;
    word text;
BEGIN
    IF length(content) <= 4000 THEN RETURN content; END IF;
    plain := lower(content);
    FOREACH word IN ARRAY words LOOP
        IF strpos(plain, word) > 0 THEN RETURN substr(content, greatest(1, strpos(plain, word) - 2000), 4000); END IF;
    END LOOP;
    RETURN left(content, 4000);
END $$;
