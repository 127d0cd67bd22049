import path from "node:path";
import { attack } from "./index-leakage/attacks.ts";
import { type Corpus, readCorpora } from "./index-leakage/corpus.ts";
import { falseCandidates } from "./index-leakage/false-candidates.ts";

// At 48 bits no two grams of these texts share a token: as if not truncated. MedVault stores 12.
const BITS = [48, 20, 16, 12, 10, 8];
const PART_LETTERS = [3, 4, 6];
// Names are six times as many, and an attack costs the cube of that.
const INDEX_KEYS = { medications: 20, names: 4 };

/**
 * What a substring index tells an attacker who reads its column and knows the vocabulary, at each
 * truncation, and what that costs. Prints two tables for docs/threat-model.md, always the same.
 */
function main(): void {
  const root = path.join(import.meta.dirname, "..");
  const { source, corpora } = readCorpora(
    path.join(root, "../shared/data/fhir"),
    path.join(root, "e2e/fixtures/fhir"),
  );
  process.stdout.write(`Substring indexes over ${source}\n`);
  for (const corpus of corpora) process.stdout.write(`\n${table(corpus)}\n`);
}

function table(corpus: Corpus): string {
  const { title, values } = corpus;
  const indexKeys = title === "names" ? INDEX_KEYS.names : INDEX_KEYS.medications;
  const rows = values.reduce((sum, value) => sum + value.rows, 0);
  const lines = [
    `${values.length} distinct ${title} in ${rows} rows; recovered of ${values.length}, means of ${indexKeys} keys`,
    "",
    `| bits | by set size | by frequency | by both | and by overlaps | ${PART_LETTERS.map((n) => `false per 100 rows, ${n} letters`).join(" | ")} |`,
    `|---|${"---|".repeat(4 + PART_LETTERS.length)}`,
  ];
  for (const bits of BITS) {
    const { size, frequency, both, overlaps } = attack(corpus, bits, indexKeys);
    const found = [size, frequency, both, overlaps].map((count) => count.toFixed(1));
    const cost = PART_LETTERS.map((n) => falseCandidates(corpus, bits, n, indexKeys).toFixed(2));
    lines.push(`| ${[bits, ...found, ...cost].join(" | ")} |`);
  }
  return lines.join("\n");
}

main();
