import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Answer, complianceBreaches, readCompliance } from "./compliance.ts";
import { complianceDocument } from "./document.ts";
import { testsIn } from "./test-titles.ts";

const root = mkdtempSync(path.join(os.tmpdir(), "compliance-"));
afterAll(() => rmSync(root, { recursive: true }));

// In capitals, so that nothing takes them for tests of this file.
const SOURCE = [
  'TEST("a plain one", () => {});',
  'TEST.each<[string]>([\n  ["(", ")"],\n])("each of \\"%s\\"", () => {});',
  "TEST(`of a template`, async ({ skip }) => skip());",
  'TEST.runIf(existsSync(CASES))("only with data", () => {});',
  'DESCRIBE.skip("not now", () => {\n  TEST("inside", () => {});\n});',
  'TEST.todo("later");',
  'DESCRIBE("a group", () => {\n  TEST(\n    "on a line of its own",\n    () => {},\n  );\n});',
  'TEST("its limits", { timeout: 1 }, () => {});',
]
  .join("\n")
  .replace(/TEST|DESCRIBE/g, (word) => word.toLowerCase());

test("titles are read as the source has them, and what may be skipped is known", () => {
  expect(testsIn(SOURCE)).toEqual([
    { title: "a plain one", skipped: undefined },
    { title: 'each of "%s"', skipped: undefined },
    { title: "of a template", skipped: "{ skip" },
    { title: "only with data", skipped: ".runIf" },
    { title: "not now", skipped: ".skip" },
    { title: "inside", skipped: ".skip" },
    { title: "later", skipped: ".todo" },
    { title: "a group", skipped: undefined },
    { title: "on a line of its own", skipped: undefined },
    { title: "its limits", skipped: undefined },
  ]);
});

test("an answer that is missing, doubled or shows nothing is named", () => {
  mkdirSync(path.join(root, "libs"));
  writeFileSync(path.join(root, "libs/a.test.ts"), SOURCE);
  const titles = ["A", "B", "C", "D"].map((id) => ({ id, level: "1", title: "" }));
  const chapters = [{ standard: "S", title: "T", requirements: titles }];
  const answers: Answer[] = [
    {
      id: "A",
      way: "shown",
      tests: { "libs/a.test.ts": ["a plain one", "gone", "later"], "libs/b.test.ts": ["x"] },
    },
    { id: "B", way: "partly", tests: { "libs/a.test.ts": ["inside"] } },
    { id: "B", way: "open", why: "nothing is there" },
    { id: "C", way: "review", why: "read", files: ["libs/c.ts"] },
    { id: "E", way: "not applicable", why: "there is none" },
  ];
  expect(complianceBreaches(root, { chapters, answers })).toEqual([
    "dev/compliance/map.json: B stands there twice",
    "dev/compliance/map.json: D is missing",
    "dev/compliance/map.json: E is no known requirement",
    'A: libs/a.test.ts has no test "gone"',
    'A: libs/a.test.ts may skip "later" (.todo), so it shows nothing',
    "A: libs/b.test.ts is not there",
    "B: partly without why",
    'B: libs/a.test.ts may skip "inside" (.skip), so it shows nothing',
    "B: open without issue",
    "C: libs/c.ts is not there",
  ]);
});

test("the committed map answers every requirement, and the page counts them", () => {
  const { chapters, answers } = readCompliance(path.join(import.meta.dirname, "../.."));
  expect(complianceBreaches(path.join(import.meta.dirname, "../.."))).toEqual([]);
  const count = chapters.reduce((sum, { requirements }) => sum + requirements.length, 0);
  expect(answers.length).toBe(count);
  expect(complianceDocument(chapters, answers).match(/^\| (V\d|164)/gm)).toHaveLength(count);
});
