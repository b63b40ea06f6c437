-- Text as search sees it: words in lower case without accents, each with its stem. What is stored and what is asked go
-- through the same functions, so the index is right for rows that no verb wrote. A generated column and an index contain
-- their results: a change here needs a migration that computes both again.
--
-- Nothing here depends on the locale of the database, which is why characters are named by ranges and not by class.

-- Accents fall off Latin and Greek letters, vowel points off Arabic and Hebrew ones; the Cyrillic й, which is a letter of
-- its own, stays.
CREATE OR REPLACE FUNCTION fold_text(given text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN octet_length(given) = length(given) THEN given ELSE
    replace(replace(replace(translate(normalize(regexp_replace(regexp_replace(normalize(given, NFKD),
        '[\u0300-\u0305\u0307-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670]+', '', 'g'),
        '([a-z\u0370-\u03ff])\u0306+', '\1', 'g'), NFC), 'øłđıςð', 'oldiσd'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe') END;

-- Scripts that put no spaces between words become overlapping pairs of characters. With `singles`, each ideograph, kana
-- and Hangul syllable follows at the end, because one of them can be a word.
CREATE OR REPLACE FUNCTION pair_characters(given text, singles boolean) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    WITH runs AS (
        SELECT r.run, r.place,
            r.run ~ '^[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]'
                AS joined
        FROM string_to_table(regexp_replace(given,
            '([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]+)',
            ' \1 ', 'g'), ' ') WITH ORDINALITY AS r (run, place)
        WHERE r.run <> ''
    ), characters AS (
        SELECT r.place, c.letter, c.number, lead(c.letter) OVER (PARTITION BY r.place ORDER BY c.number) AS following,
            length(r.run) = 1 AS alone
        FROM runs r CROSS JOIN LATERAL string_to_table(r.run, NULL) WITH ORDINALITY AS c (letter, number) WHERE r.joined
    )
    SELECT concat_ws(' ',
        (SELECT string_agg(w.word, ' ' ORDER BY w.place, w.number) FROM (
            SELECT r.run AS word, r.place, 0 AS number FROM runs r WHERE NOT r.joined
            UNION ALL
            SELECT concat(c.letter, c.following), c.place, c.number FROM characters c
            WHERE c.following IS NOT NULL OR c.alone AND NOT singles) w),
        (SELECT string_agg(c.letter, ' ' ORDER BY c.place, c.number) FROM characters c WHERE singles AND (c.alone OR ascii(c.letter) >= 12293)));
END;

-- The words of a text in their order, with a space between them. Signs end a word, so the parts of paths, addresses, numbers
-- and compounds are words; a symbol such as an emoji is one too, without its variants.
CREATE OR REPLACE FUNCTION space_words(given text, singles boolean) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    plain text := lower(given);
BEGIN
    IF octet_length(plain) > length(plain) THEN
        plain := lower(normalize(plain, NFKC));
        plain := regexp_replace(plain,
            '[\u00ad\u200b\u200d-\u200f\u2060\u20e3\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff\U000e0000-\U000e007f]+', '', 'g');
        plain := regexp_replace(plain, '([\u00a9\u00ae\u20a0-\u20cf\u2190-\u2bff\U0001f000-\U0001faff])', ' \1 ', 'g');
        plain := regexp_replace(plain,
            '[\u0080-\u00a8\u00ab-\u00ad\u00af-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u02b9-\u02ff\u037e\u0387'
            '\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05c6\u05f3\u05f4\u0600-\u060f\u061b-\u061f\u066a-\u066d\u06d4'
            '\u0964\u0965\u0970\u0e2f\u0e4f\u0e5a\u0e5b\u0f04-\u0f14\u104a-\u104f\u10fb\u1360-\u1368\u17d4-\u17da'
            '\u2000-\u206f\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\ufd3e\ufd3f\ufe10-\ufe6f\uff5f-\uff65\ufffc\ufffd]+',
            ' ', 'g');
        IF plain ~ '[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]'
        THEN
            plain := public.pair_characters(plain, singles);
        END IF;
    END IF;
    -- A single space, as between most words, is left alone: each replacement costs time.
    RETURN btrim(regexp_replace(plain, ' *[\u0001-\u001f\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]'
        '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]*|  +', ' ', 'g'));
END $$;

-- As space_words, as an array.
CREATE OR REPLACE FUNCTION split_words(given text, singles boolean) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN string_to_array(public.space_words(given, singles), ' ');

-- The language that most function words belong to, of those with a stemmer; NULL if there are none. Words that two of
-- these languages share are left out.
CREATE OR REPLACE FUNCTION guess_language(words text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    english CONSTANT jsonb := '{"about": "english", "an": "english", "and": "english", "are": "english",
        "as": "english", "at": "english",
        "be": "english", "been": "english", "but": "english", "can": "english", "did": "english", "do": "english",
        "does": "english", "for": "english", "from": "english", "had": "english", "has": "english", "have": "english",
        "he": "english", "her": "english", "his": "english", "how": "english", "i": "english", "if": "english",
        "in": "english", "is": "english", "it": "english", "just": "english", "my": "english", "not": "english",
        "of": "english", "on": "english", "or": "english", "she": "english", "so": "english", "that": "english",
        "the": "english", "there": "english", "they": "english", "this": "english", "to": "english", "was": "english",
        "we": "english", "were": "english", "what": "english", "when": "english", "where": "english",
        "which": "english", "who": "english", "will": "english", "with": "english", "would": "english",
        "you": "english", "your": "english"}'::jsonb;
    others CONSTANT jsonb := '{"aber": "german", "auch": "german", "auf": "german", "bei": "german", "dein": "german",
        "dem": "german",
        "der": "german", "die": "german", "das": "german", "ein": "german", "eine": "german", "einen": "german",
        "fuer": "german", "fur": "german", "haben": "german", "hat": "german", "ich": "german", "im": "german",
        "ist": "german", "kein": "german", "mein": "german", "nach": "german", "nicht": "german", "noch": "german",
        "oder": "german", "sie": "german", "sind": "german", "uber": "german", "ueber": "german", "und": "german",
        "unser": "german", "von": "german", "wann": "german", "warum": "german", "welche": "german", "wer": "german",
        "wir": "german", "wird": "german", "wo": "german", "wurde": "german", "zu": "german", "zum": "german",
        "zur": "german", "au": "french", "aux": "french", "avec": "french", "cette": "french", "dans": "french",
        "des": "french", "du": "french", "elle": "french", "est": "french", "ete": "french", "je": "french",
        "le": "french", "les": "french", "mais": "french", "mon": "french", "nous": "french", "ou": "french",
        "pas": "french", "pour": "french", "quand": "french", "quel": "french", "quelle": "french", "qui": "french",
        "sont": "french", "sur": "french", "une": "french", "vous": "french", "al": "spanish", "como": "spanish",
        "con": "spanish", "cuando": "spanish", "donde": "spanish", "el": "spanish", "esta": "spanish", "fue": "spanish",
        "hemos": "spanish", "las": "spanish", "los": "spanish", "muy": "spanish", "para": "spanish", "por": "spanish",
        "quien": "spanish", "sus": "spanish", "tiene": "spanish", "una": "spanish", "y": "spanish", "yo": "spanish",
        "abbiamo": "italian", "alla": "italian", "anche": "italian", "che": "italian", "chi": "italian",
        "cosa": "italian", "degli": "italian", "della": "italian", "dove": "italian", "gli": "italian", "ha": "italian",
        "ho": "italian", "nella": "italian", "non": "italian", "per": "italian", "questa": "italian",
        "questo": "italian", "sono": "italian", "ao": "portuguese", "com": "portuguese", "dos": "portuguese",
        "em": "portuguese", "foi": "portuguese", "isso": "portuguese", "mas": "portuguese", "meu": "portuguese",
        "minha": "portuguese", "nao": "portuguese", "nos": "portuguese", "onde": "portuguese", "os": "portuguese",
        "pelo": "portuguese", "quem": "portuguese", "sao": "portuguese", "tambem": "portuguese", "tem": "portuguese",
        "um": "portuguese", "uma": "portuguese", "voce": "portuguese", "bij": "dutch", "dat": "dutch", "deze": "dutch",
        "een": "dutch", "heeft": "dutch", "het": "dutch", "hoe": "dutch", "ik": "dutch", "jij": "dutch",
        "maar": "dutch", "met": "dutch", "moet": "dutch", "naar": "dutch", "niet": "dutch", "onze": "dutch",
        "ook": "dutch", "voor": "dutch", "waar": "dutch", "wanneer": "dutch", "wij": "dutch", "zijn": "dutch",
        "ar": "swedish", "att": "swedish", "ett": "swedish", "fran": "swedish", "hur": "swedish", "inte": "swedish",
        "jag": "swedish", "ni": "swedish", "och": "swedish", "till": "swedish", "vad": "swedish", "vem": "swedish",
        "af": "danish", "er": "danish", "fra": "danish", "hvad": "danish", "hvem": "danish", "hvor": "danish",
        "hvordan": "danish", "ikke": "danish", "jeg": "danish", "og": "danish", "til": "danish", "ei": "finnish",
        "etta": "finnish", "han": "finnish", "ja": "finnish", "kuka": "finnish", "kun": "finnish", "mika": "finnish",
        "mina": "finnish", "missa": "finnish", "mutta": "finnish", "myos": "finnish", "olemme": "finnish",
        "olen": "finnish", "oli": "finnish", "ovat": "finnish", "se": "finnish", "sina": "finnish", "tama": "finnish",
        "az": "hungarian", "csak": "hungarian", "egy": "hungarian", "ez": "hungarian", "hogy": "hungarian",
        "hol": "hungarian", "ki": "hungarian", "mar": "hungarian", "meg": "hungarian", "mikor": "hungarian",
        "nekem": "hungarian", "nem": "hungarian", "vagy": "hungarian", "volt": "hungarian", "cand": "romanian",
        "care": "romanian", "cine": "romanian", "cu": "romanian", "din": "romanian", "este": "romanian",
        "mai": "romanian", "nu": "romanian", "pe": "romanian", "pentru": "romanian", "si": "romanian",
        "sunt": "romanian", "unde": "romanian", "ama": "turkish", "bir": "turkish", "bu": "turkish", "cok": "turkish",
        "daha": "turkish", "degil": "turkish", "gibi": "turkish", "icin": "turkish", "ile": "turkish", "kim": "turkish",
        "nerede": "turkish", "ve": "turkish", "yok": "turkish", "akan": "indonesian", "apa": "indonesian",
        "dan": "indonesian", "dari": "indonesian", "dengan": "indonesian", "ini": "indonesian", "itu": "indonesian",
        "kami": "indonesian", "kapan": "indonesian", "ke": "indonesian", "saya": "indonesian", "siapa": "indonesian",
        "sudah": "indonesian", "tidak": "indonesian", "untuk": "indonesian", "yang": "indonesian"}'::jsonb;
    first text[] := words[1:200];
BEGIN
    -- Most texts have function words of English only, which is seen faster than counted.
    IF NOT others ?| first THEN RETURN CASE WHEN english ?| first THEN 'english' END; END IF;
    RETURN (SELECT f.language FROM (
        SELECT coalesce(others ->> w.word, english ->> w.word) AS language FROM unnest(first) AS w (word) OFFSET 0
    ) f WHERE f.language IS NOT NULL
    GROUP BY f.language ORDER BY count(*) DESC, f.language = 'english' DESC, f.language LIMIT 1);
END $$;

-- The stem of a word, by its script and, for Latin letters, by the language of the text. NULL for function words.
CREATE OR REPLACE FUNCTION stem_word(word text, language text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN ascii(word) < 880 THEN CASE coalesce(language, 'english')
        WHEN 'english' THEN (ts_lexize('english_stem', word))[1]
        WHEN 'german' THEN (ts_lexize('german_stem', word))[1]
        WHEN 'french' THEN (ts_lexize('french_stem', word))[1]
        WHEN 'spanish' THEN (ts_lexize('spanish_stem', word))[1]
        WHEN 'italian' THEN (ts_lexize('italian_stem', word))[1]
        WHEN 'portuguese' THEN (ts_lexize('portuguese_stem', word))[1]
        WHEN 'dutch' THEN (ts_lexize('dutch_stem', word))[1]
        WHEN 'swedish' THEN (ts_lexize('swedish_stem', word))[1]
        WHEN 'danish' THEN (ts_lexize('danish_stem', word))[1]
        WHEN 'finnish' THEN (ts_lexize('finnish_stem', word))[1]
        WHEN 'hungarian' THEN (ts_lexize('hungarian_stem', word))[1]
        WHEN 'romanian' THEN (ts_lexize('romanian_stem', word))[1]
        WHEN 'turkish' THEN (ts_lexize('turkish_stem', word))[1]
        WHEN 'indonesian' THEN (ts_lexize('indonesian_stem', word))[1]
        END
    WHEN ascii(word) < 1024 THEN (ts_lexize('greek_stem', word))[1]
    WHEN ascii(word) < 1328 THEN (ts_lexize('russian_stem', word))[1]
    WHEN ascii(word) < 1424 THEN (ts_lexize('armenian_stem', word))[1]
    WHEN ascii(word) BETWEEN 1536 AND 1791 THEN (ts_lexize('arabic_stem', word))[1]
    WHEN ascii(word) BETWEEN 2304 AND 2431 THEN (ts_lexize('hindi_stem', word))[1]
    WHEN ascii(word) BETWEEN 2944 AND 3071 THEN (ts_lexize('tamil_stem', word))[1]
    ELSE word END;

-- What is stored of a text: each word at its positions, and its stem. Stems are of the words with their accents, which
-- stemmers need, and are folded afterwards.
CREATE OR REPLACE FUNCTION search_vector(given text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    plain text := public.space_words(given, true);
    words text[] := string_to_array(plain, ' ');
    language text := public.guess_language(words);
    stems text[];
    exact tsvector;
BEGIN
    -- PostgreSQL's parser is fast and splits ASCII words at spaces, but 1e5x into two; a word longer than 60 is cut below.
    IF octet_length(plain) = length(plain) AND plain !~ '[0-9]e[0-9]' AND plain !~ '[^ ]{61}' THEN
        exact := to_tsvector('simple', plain);
        -- A stem that is also a word counts as often as the word. The position of the others does not matter.
        RETURN exact || ts_delete(to_tsvector(coalesce(language, 'english')::regconfig, plain), tsvector_to_array(exact));
    END IF;
    stems := ARRAY(SELECT coalesce(public.stem_word(w.word, language), w.word) FROM unnest(words) AS w (word));
    words := string_to_array(public.fold_text(plain), ' ');
    stems := string_to_array(public.fold_text(array_to_string(stems, ' ')), ' ');
    RETURN (SELECT coalesce(string_agg(
        $q$'$q$ || left(w.word, 60) || $q$':$q$ || least(w.place, 16383)
        || CASE WHEN w.stem NOT IN (w.word, '') THEN $q$ '$q$ || left(w.stem, 60) || $q$':$q$ || least(w.place, 16383) ELSE '' END, ' '), '')
    -- A word of accents alone is empty by now.
    FROM unnest(words, stems) WITH ORDINALITY AS w (word, stem, place) WHERE w.word <> '')::tsvector;
END $$;

-- The words of a question. Each has the forms under which it may be stored: itself, and its stem in the language of the
-- question. If no function word says which language that is, stems of every language that keep most of the word.
CREATE OR REPLACE FUNCTION search_terms(asked text) RETURNS TABLE (word text, lexemes text[], is_common boolean)
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    words text[] := public.split_words(asked, false);
    guessed text := public.guess_language(words);
BEGIN
    RETURN QUERY
    SELECT left(public.fold_text(f.word), 60), array_agg(DISTINCT left(public.fold_text(f.lexeme), 60)), bool_or(f.stem IS NULL)
    FROM (
        SELECT w.word, w.place, s.stem, v.lexeme FROM unnest(words) WITH ORDINALITY AS w (word, place)
        CROSS JOIN unnest(CASE WHEN guessed IS NULL THEN ARRAY['english', 'german', 'french', 'spanish', 'italian',
            'portuguese', 'dutch', 'swedish', 'danish', 'finnish', 'hungarian', 'romanian', 'turkish', 'indonesian']
            ELSE ARRAY[guessed] END) AS l (language)
        CROSS JOIN LATERAL (SELECT public.stem_word(w.word, l.language) AS stem OFFSET 0) o
        CROSS JOIN LATERAL (SELECT CASE WHEN guessed IS NOT NULL OR l.language = 'english'
            OR length(o.stem) >= greatest(4, length(w.word) - 2) THEN o.stem ELSE w.word END AS stem) s
        CROSS JOIN LATERAL unnest(ARRAY[w.word, s.stem]) AS v (lexeme)
        WHERE w.word <> '' AND v.lexeme IS NOT NULL
    ) f GROUP BY 1 ORDER BY min(f.place);
END $$;

-- A question as a condition: all words in any form, or any of those that `or` joins; "a phrase" word for word; not what
-- a minus precedes. NULL if nothing in it can be searched.
CREATE OR REPLACE FUNCTION search_query(asked text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    part text;
    piece text;
    joint text;
    whole text;
BEGIN
    FOR part IN SELECT m.found[1] FROM regexp_matches(asked, '-?"[^"]*"?|[^\s"]+', 'g') AS m (found) LOOP
        IF lower(part) = 'or' THEN joint := ' | '; CONTINUE; END IF;
        IF part ~ '^-?"' THEN
            piece := (SELECT string_agg($q$'$q$ || left(public.fold_text(w.word), 60) || $q$'$q$, ' <-> ' ORDER BY w.place)
                FROM unnest(public.split_words(part, false)) WITH ORDINALITY AS w (word, place) WHERE w.word <> '');
        ELSE
            piece := (SELECT string_agg('(' || (SELECT string_agg($q$'$q$ || l.lexeme || $q$'$q$, ' | ')
                FROM unnest(t.lexemes) AS l (lexeme)) || ')', ' & ') FROM public.search_terms(part) t);
        END IF;
        IF piece IS NULL THEN CONTINUE; END IF;
        whole := concat(whole || coalesce(joint, ' & '), CASE WHEN part LIKE '-%' THEN '!' END, '(', piece, ')');
        joint := NULL;
    END LOOP;
    RETURN whole::tsquery;
END $$;
