import { z } from "zod";
import { term, text } from "./fields.ts";

/** The limits of a code, its system and its words, in characters. */
export const CODING_CHARS = { code: 200, system: 500, display: 1000 } as const;

/** A system of codes by its URI, as it is written: `http://snomed.info/sct`, an `urn:oid:`, any. */
export const codeSystem = text(CODING_CHARS.system).refine(
  (value) => !/\s/.test(value),
  "must be a URI, without blanks",
);

/** A code of a system. `known` is for answers; sent back, it is passed over. */
export const NewCoding = z.strictObject({
  system: codeSystem.nullable().optional(),
  code: term(CODING_CHARS.code),
  display: text(CODING_CHARS.display).nullable().optional(),
  known: z.boolean().optional(),
});
export type NewCoding = z.infer<typeof NewCoding>;

/** A coding, or a bare code of which nobody says the system. */
export const NewCode = z.union([term(CODING_CHARS.code), NewCoding]);
export type NewCode = z.infer<typeof NewCode>;

/**
 * A code as it was said. `system` and `display` are null where they were not said; `known` says
 * whether MedVault knows the system. Nobody checks that the code is one of it.
 */
export const Coding = z.object({
  system: z.string().nullable(),
  code: z.string(),
  display: z.string().nullable(),
  known: z.boolean(),
});
export type Coding = z.infer<typeof Coding>;
