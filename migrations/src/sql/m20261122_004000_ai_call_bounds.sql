-- What is written of a call are counts that can still be added up, whatever a provider says. Rows that are there are within
-- this: it is what the program has written so far.
ALTER TABLE ai_calls
    ADD CONSTRAINT ai_calls_purpose CHECK (purpose ~ '^[a-z][a-z-]{0,39}$'),
    ADD CONSTRAINT ai_calls_model CHECK (char_length(model) BETWEEN 1 AND 200),
    ADD CONSTRAINT ai_calls_input_tokens CHECK (input_tokens BETWEEN 0 AND 1000000000000),
    ADD CONSTRAINT ai_calls_output_tokens CHECK (output_tokens BETWEEN 0 AND 1000000000000),
    ADD CONSTRAINT ai_calls_cost CHECK (cost_micros BETWEEN 0 AND 1000000000000);
