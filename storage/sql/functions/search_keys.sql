-- The entries of a message in the index on words: hashes of its words together with its owner, so that a search reads the
-- entries of one person only and costs the same whatever others store. One message in 128 has its words in a second form
-- as well: counting those is a cheap estimate of how common a word is.
CREATE OR REPLACE FUNCTION message_keys(owner text, conversation bigint, number integer, words tsvector) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    lexemes text[] := tsvector_to_array(words);
BEGIN
    IF (conversation * 31 + number) % 128 <> 0 THEN
        RETURN ARRAY(SELECT hashtext(owner || ' ' || w.lexeme) FROM unnest(lexemes) AS w (lexeme));
    END IF;
    RETURN ARRAY(SELECT hashtext(owner || f.form || w.lexeme)
        FROM unnest(lexemes) AS w (lexeme), unnest(ARRAY[' ', '~']) AS f (form));
END $$;
