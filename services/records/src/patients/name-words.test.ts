import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isNamed, nameWords, searchNameOf } from "./name-words.ts";

const CASES = new URL("../../../../../shared/data/cases/search-names.json", import.meta.url);

const isFound = (names: readonly string[], query: string): boolean =>
  isNamed({ searchName: searchNameOf(names) }, nameWords(query));

test.each([
  [
    ["Anna Katharina", "Berg"],
    ["berg anna", "Berg, Anna", "katharina", "k berg", "atharin"],
  ],
  [
    ["Siobhán", "O’Rourke-Lynch"],
    ["o'rourke", "orourke", "o rourke", "siobhan lynch", "rourkelynch"],
  ],
  [
    ["Bjørn", "Åkesson"],
    ["bjorn", "bjoern", "akesson", "aakesson", "BJØRN ÅKESSON"],
  ],
  [
    ["Žofia", "Łaskawiec"],
    ["zofia laskawiec", "Łaskawiec"],
  ],
  [
    ["Günther", "Strauß"],
    ["gunther", "guenther", "strauss"],
  ],
  [
    ["秀英", "李"],
    ["李秀英", "秀英", "英", "李 秀英"],
  ],
  [
    ["花子", "佐藤"],
    ["佐藤花子", "藤"],
  ],
  [
    ["Юлия", "Щербакова"],
    ["юлия", "yuliya", "shcherbakova"],
  ],
  [
    ["", "Suharti"],
    ["suharti", "hart"],
  ],
  [
    ["أمينة", "الفاسي"],
    ["امينه", "الفاسي"],
  ],
  [
    ["Mary", "van der Berg"],
    ["vanderberg", "van der berg", "der mary"],
  ],
  [
    ["A. B.", "Carter"],
    ["ab carter", "a.b. carter", "a b carter"],
  ],
])("%j is found by %j", (names, queries) => {
  expect(queries.filter((query) => !isFound(names, query))).toEqual([]);
});

test("other names are not found, nor is anyone by marks and blanks alone", () => {
  const names = ["Anna Katharina", "Berg"];
  for (const query of ["berg maria", "annb", "x", "-", " ' ", "katherina"]) {
    expect(isFound(names, query), query).toBe(false);
  }
});

test("a name of any length is indexed", () => {
  const text = searchNameOf(["Ä".repeat(100_000), "李".repeat(50_000)]);
  expect([...text].length).toBeLessThanOrEqual(4_000);
});

test.skipIf(!existsSync(CASES))("the names of public reports are found as people type them", () => {
  const cases = JSON.parse(readFileSync(CASES, "utf8")) as {
    givenName: string;
    familyName: string;
    queries: string[];
  }[];
  const missed = cases.flatMap(({ givenName, familyName, queries }) =>
    queries.filter((query) => !isFound([givenName, familyName], query)),
  );
  expect(missed).toEqual([]);
});
