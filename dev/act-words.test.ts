import { globSync, readFileSync } from "node:fs";
import { wordsOfAct } from "@medvault/contracts";
import { expect, test } from "vitest";
import { root } from "./lib/paths.mjs";

/**
 * Types of events that are put together: by the type of what is put in (`ActNoun`, `ActVerb`), or
 * each by its name here. Whoever adds one adds it here, with words in libs/contracts.
 */
const BUILT: Readonly<Record<string, "typed" | readonly string[]>> = {
  "medvault.records.{act.noun}.{act.verb}.v1": "typed",
  "medvault.records.{noun}.damaged.v1": "typed",
  "medvault.files.file.{verb}.v1": "typed",
  "medvault.files.export.{verb}.v1": "typed",
  "medvault.records.erasure.{verb}.v1": ["erasure.completed", "erasure.keys-destroyed"],
  "medvault.records.{kind}.{ANNOUNCED[kind]}.v1": [
    "prescription.end-announced",
    "appointment.start-announced",
  ],
  "medvault.records.{kind}.announcement-withdrawn.v1": [
    "prescription.announcement-withdrawn",
    "appointment.announcement-withdrawn",
  ],
  "medvault.{service}.keys.{verb}.v1": ["keys.shred-final"],
  "medvault.{service}.erasure.confirmed.v1": ["erasure.confirmed"],
  "medvault.{service}.patient.erased.v1": ["patient.erased"],
  "medvault.audit.log.{reading}.v1": ["queried", "read", "proved", "counted", "exported"].map(
    (reading) => `log.${reading}`,
  ),
};
/** For other services, in no log. */
const DOMAIN = [
  "medvault.records.erasure.announced.v1",
  "medvault.records.{kind}.{COMES[kind]}.v1",
  "medvault.records.{kind}.called-off.v1",
];
/** Never about a patient. */
const ABOUT_NOBODY = [
  "medvault.auth.session.started.v1",
  "medvault.backup.backup.restored.v1",
  "medvault.records.row-check.opened.v1",
  "medvault.records.row-check.based.v1",
  "medvault.{source}.events.dropped.v1",
  "medvault.gateway.request.{kind}.v1",
  "medvault.gateway.screening.hit.v1",
];
/** Of `errorEvent`, by the noun that each service gives its refusals. */
const REFUSALS = ["file", "request"].flatMap((noun) => [`${noun}.denied`, `${noun}.failed`]);

const sources = globSync("{services,libs}/*/src/**/*.ts", { cwd: root }).filter(
  (name) => !/\.(test|testdata)\.ts$/.test(name),
);

test("every type of event that a service emits about a patient has words for the patient", () => {
  const others = [...DOMAIN, ...ABOUT_NOBODY];
  const literals = new Set<string>();
  const built = new Set<string>();
  for (const name of sources) {
    const text = readFileSync(`${root}/${name}`, "utf8");
    if (!/patientIds/.test(text)) continue;
    for (const [type] of text.matchAll(/medvault\.[^"'`\s<]*\.v[0-9]+/g))
      (type.includes("{") || others.includes(type) ? built : literals).add(type.replaceAll("${", "{"));
  }
  const known = [...Object.keys(BUILT), ...others];
  expect([...built].filter((type) => !known.includes(type))).toEqual([]);
  expect(known.filter((type) => !built.has(type)).toSorted()).toEqual([]);
  const named = Object.values(BUILT).flatMap((types) => (types === "typed" ? [] : types));
  const types = [...literals, ...[...named, ...REFUSALS].map((type) => `medvault.any.${type}.v1`)];
  expect(literals.size).toBeGreaterThan(4);
  expect(types.filter((type) => wordsOfAct(type) === null)).toEqual([]);
});

test("what is no type of ours has no words, and no property of every object has any", () => {
  for (const type of ["", "x", "medvault.records.constructor.read.v1", "medvault.records.patient.valueOf.v1"])
    expect(wordsOfAct(type)).toBeNull();
  expect(wordsOfAct("medvault.files.file.listed.v1")).toBe("looked at your files");
});
