import { containsPart, normalise, trigramQueryTokens } from "@medvault/crypto";
import type { Corpus } from "./corpus.ts";
import { keyNumber, tokenSets } from "./shape.ts";

/** Of 100 rows, how many a search opens in vain: the mean over words' beginnings and index keys. */
export function falseCandidates(corpus: Corpus, bits: number, letters: number, indexKeys: number): number {
  const parts = beginnings(corpus, letters);
  const allRows = corpus.values.reduce((sum, { rows }) => sum + rows, 0);
  let inVain = 0;
  for (let number = 0; number < indexKeys; number += 1) {
    const key = keyNumber("index key", number);
    const sets = tokenSets(corpus, key, bits);
    for (const part of parts) {
      const wanted = new Set(trigramQueryTokens(key, part, bits));
      for (const [at, { text, rows }] of corpus.values.entries()) {
        if (sets[at]?.isSupersetOf(wanted) && !containsPart(text, part)) inVain += rows;
      }
    }
  }
  return (100 * inVain) / (allRows * parts.length * indexKeys);
}

function beginnings(corpus: Corpus, letters: number): string[] {
  const words = corpus.values.flatMap(({ text }) => normalise(text).split(" "));
  const parts = words.map((word) => [...word].slice(0, letters)).filter((part) => part.length === letters);
  return [...new Set(parts.map((part) => part.join("")))];
}
