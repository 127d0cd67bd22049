// docs/compliance.md says for each requirement of HIPAA 164.312 and of OWASP ASVS 5.0 (L1, L2) what shows
// it. requirements.json lists what they ask, in our own words; map.json says how it is met.
import fs from "node:fs";
import path from "node:path";
import { testsIn } from "./test-titles.ts";

export interface Requirement {
  id: string;
  /** Level of ASVS; "R" (required) or "A" (addressable) of HIPAA. */
  level: string;
  title: string;
}
/** A chapter of a standard. */
export interface Chapter {
  standard: string;
  title: string;
  requirements: Requirement[];
}

/** What must be there for each way of meeting a requirement. */
const NEEDS = {
  shown: ["tests"],
  partly: ["tests", "why"],
  review: ["files", "why"],
  operator: ["files", "why"],
  open: ["why", "issue"],
  "not applicable": ["why"],
} as const;
export type Way = keyof typeof NEEDS;

export interface Answer {
  id: string;
  way: Way;
  /** Titles of tests as their source has them, by file. */
  tests?: Record<string, string[]>;
  /** Code or pages that a reader looks at. */
  files?: string[];
  /** How it is met; of `partly` and `open` what is missing; else the reason. */
  why?: string;
  /** What is missing is planned in this issue. */
  issue?: number;
}

const FOLDER = "dev/compliance";

/** @throws when a file is no JSON */
export function readCompliance(root: string): { chapters: Chapter[]; answers: Answer[] } {
  const json = (file: string) => JSON.parse(fs.readFileSync(path.join(root, FOLDER, file), "utf8"));
  return { chapters: json("requirements.json"), answers: json("map.json") };
}

/** @returns one sentence for each requirement without an answer and each answer that shows nothing */
export function complianceBreaches(root: string, { chapters, answers } = readCompliance(root)): string[] {
  const ids = chapters.flatMap(({ requirements }) => requirements.map(({ id }) => id));
  const answered = answers.map(({ id }) => id);
  return [
    ...twice(ids).map((id) => `${FOLDER}/requirements.json: ${id} stands there twice`),
    ...twice(answered).map((id) => `${FOLDER}/map.json: ${id} stands there twice`),
    ...ids.filter((id) => !answered.includes(id)).map((id) => `${FOLDER}/map.json: ${id} is missing`),
    ...answered
      .filter((id) => !ids.includes(id))
      .map((id) => `${FOLDER}/map.json: ${id} is no known requirement`),
    ...answers.flatMap((answer) => answerBreaches(root, answer).map((words) => `${answer.id}: ${words}`)),
  ];
}

function answerBreaches(root: string, answer: Answer): string[] {
  const needs = NEEDS[answer.way];
  if (!needs) return [`${answer.way} is no way of meeting it`];
  const missing = needs.filter((part) => !answer[part] || Object.keys(answer[part]).length === 0);
  const gone = (answer.files ?? []).filter((file) => !fs.existsSync(path.join(root, file)));
  const tests = Object.entries(answer.tests ?? {});
  return [
    ...missing
      .filter((part) => part !== "issue" || !answer.issue)
      .map((part) => `${answer.way} without ${part}`),
    ...gone.map((file) => `${file} is not there`),
    ...tests.flatMap(([file, titles]) => testBreaches(root, file, titles)),
  ];
}

function testBreaches(root: string, file: string, titles: string[]): string[] {
  if (!fs.existsSync(path.join(root, file))) return [`${file} is not there`];
  const tests = testsIn(fs.readFileSync(path.join(root, file), "utf8"));
  return titles.flatMap((title) => {
    const found = tests.find((test) => test.title === title);
    if (!found) return [`${file} has no test "${title}"`];
    return found.skipped ? [`${file} may skip "${title}" (${found.skipped}), so it shows nothing`] : [];
  });
}

const twice = (ids: string[]): string[] => ids.filter((id, at) => ids.indexOf(id) !== at);
