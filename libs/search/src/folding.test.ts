import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fieldText, holdsWords, nameText, searchWords, termText } from "./folding.ts";

const CASES = new URL("../../../../shared/data/cases/search-names.json", import.meta.url);

const isFound = (names: readonly string[], query: string): boolean =>
  holdsWords([nameText(names)], searchWords(query));

const isTerm = (medication: string, query: string): boolean =>
  holdsWords([termText([medication, null, "RX-77"])], searchWords(query));

test.each([
  [
    ["Anna Katharina", "Berg"],
    ["berg anna", "Berg, Anna", "katharina", "k berg", "atharin", "n", "er na"],
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

test.each([
  ["5-FU 50 mg/mL", ["5-FU", "5fu", "5 fu", "fu 50mg", "50 mg/ml", "50mg/ml"]],
  ["Sodium chloride 0.9% infusion", ["0.9%", "0,9 %", "0.9", "chloride 0.9%"]],
  ["Natriumchlorid 0,9 %ig", ["0.9%", "0,9%", "natrium"]],
  ["Metformin 500mg", ["500 mg", "500mg", "metf", "m", "5", "metformin-500"]],
  ["Metformin 500 mg oral tablet", ["500mg", "500 MG", "tab metf", "ral"]],
  ["Amoxicillin/clavulanate 500/125", ["500/125", "amoxicillin clavulanate", "amox", "clavul/amox"]],
  ["Co-amoxiclav", ["coamoxiclav", "co amoxiclav", "CO-AMOXICLAV", "amoxiclav"]],
  ["Vitamin B12", ["b-12", "b 12", "vit b12"]],
  ["Vitamin B-12", ["b12", "B 12"]],
  ["Heparin 5,000 units", ["5000", "5,000 units"]],
  ["Heparin 5000 units", ["5,000"]],
  ["Levothyroxin 50 µg", ["50 ug", "50µg", "50 μg", "50ug"]],
  ["Ｉｂｕｐｒｏｆｅｎ ４００", ["ibuprofen 400"]],
  ["アスピリン錠 100mg", ["アスピリン", "ｱｽﾋﾟﾘﾝ", "錠", "100 mg"]],
  ["阿司匹林肠溶片", ["阿司匹林", "肠溶"]],
  ["ยาพาราเซตามอล ๕๐๐", ["พาราเซตามอล", "พารา"]],
  ["باراسيتامول ٥٠٠", ["باراسيتامول", "500", "٥٠٠"]],
  ["אַקאַמול", ["אקאמול"]],
  ["Парацетамол", ["парацетамол", "paratsetamol"]],
  ["İbuprofen ısı", ["ibuprofen", "isi"]],
  ["Weißdorn-Tröpfchen", ["weissdorn", "troepfchen", "tropfchen", "weissdorntropf"]],
  ["St. John's wort", ["st johns", "john's", "johns wort"]],
])("the medication %j is found by %j", (medication, queries) => {
  const missed = [...queries, "rx77", "RX-77", "rx 77"].filter((query) => !isTerm(medication, query));
  expect(missed).toEqual([]);
});

test.each([
  ["Furosemide 5 mg", ["5-FU", "5fu"]],
  ["Amoxicillin 500/125", ["00125", "500.125"]],
  ["Saline 10.9%", ["0.95", "1.09"]],
  ["Aspirin", ["%", "-", "<>", "'", "   ", "", "…", "aspirin z"]],
])("the medication %j is not found by %j", (medication, queries) => {
  expect(queries.filter((query) => isTerm(medication, query))).toEqual([]);
});

test("whatever looks like code is words", () => {
  expect(searchWords("drop table; <script>alert('1')</script>")).toEqual([
    ...["drop", "table", "script", "alert", "1"],
  ]);
});

test("numbers and addresses are found by any part, however they are written", () => {
  expect(fieldText("+49 (30) 123-45.67")).toBe("49301234567");
  expect(fieldText("Ada.Lovelace@Example.org")).toBe("adalovelaceexampleorg");
  expect(fieldText(" .- ")).toBe("");
});

test("of a text of 100,000 characters the first 4,000 are searched", () => {
  const long = `first ${"a b ".repeat(25_000)} last`;
  expect(isTerm(long, "first")).toBe(true);
  expect(isTerm(`${"x".repeat(100_000)} last`, "last")).toBe(false);
  expect(holdsWords([`${"x".repeat(4_000)}last`], ["last"])).toBe(false);
});

test("threat: a text of characters that each stand for eighteen costs seconds to fold", () => {
  const bomb = "\ufdfa".repeat(4_000);
  const plain = "صلى الله ".repeat(444);
  const cost = (text: string) => {
    const since = process.cpuUsage();
    for (let n = 0; n < 20; n += 1) termText([text]);
    const { user } = process.cpuUsage(since);
    return user;
  };
  cost(plain);
  expect(cost(bomb)).toBeLessThan(5 * cost(plain));
  expect(isTerm(bomb, "صلى")).toBe(true);
});

test("a sigma at the end of what is typed is the one within a name", () => {
  expect(["κωνσ", "ΚΩΝΣ", "Κωνσταντίνος", "τίνοσ"].filter((q) => !isFound(["Κωνσταντίνος"], q))).toEqual([]);
});

test("a name of any length is indexed", () => {
  const text = nameText(["Ä".repeat(100_000), "李".repeat(50_000)]);
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
