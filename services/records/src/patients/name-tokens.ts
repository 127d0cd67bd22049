import type { IndexQuery } from "@medvault/keys";

/** The index of names, of which each word of a search is a part. */
const NAME = "search_name";

/** Tokens that no patient has: those of a search in which there is no word. */
export const NO_NAME: readonly string[] = ["-1"];

/** What a patient has whose name holds all of these words; null: nothing to look for. */
export const nameTokens = (query: IndexQuery, words: readonly string[]): string[] | null =>
  tokensOfAll(words.map((word) => query.substring(NAME, word)));

/** The same where an operator has the name indexed in another way. */
export const addedNameTokens = (query: IndexQuery, words: readonly string[]): string[] | null =>
  tokensOfAll(words.map((word) => query.added({ [NAME]: word })));

/** All of these tokens; null where there are none to look for. */
export function tokensOfAll(lists: readonly (readonly string[] | null)[]): string[] | null {
  const known = lists.filter((list) => list !== null);
  return known.length === 0 ? null : [...new Set(known.flat())];
}
