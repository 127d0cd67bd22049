import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { awkwardViews, someEnd, view } from "./awkward.testdata.ts";
import { OCSF_VERSION, ocsfEnd, ocsfEvent } from "./ocsf.ts";

/** Made of the published schema of this version: the file says of what of it. */
const schema = JSON.parse(
  readFileSync(new URL("../../test/ocsf-api-activity.json", import.meta.url), "utf8"),
);
const isApiActivity = new Ajv2020({ allErrors: true }).compile(schema);
const faults = (event: object) => (isApiActivity(event) ? [] : (isApiActivity.errors ?? []));

test("every entry, and the end, is an API Activity of the pinned version of OCSF", () => {
  expect(schema.title).toContain(OCSF_VERSION);
  for (const event of [...awkwardViews().map(ocsfEvent), ocsfEnd(someEnd())])
    expect(faults(JSON.parse(JSON.stringify(event))), JSON.stringify(event)).toEqual([]);
});

test("the schema refuses what OCSF does not know, has another type, or lacks", () => {
  const good = ocsfEvent(view()) as Record<string, unknown>;
  for (const bad of [
    { ...good, activity_id: 7 },
    { ...good, time: "2026-01-01T00:00:00Z" },
    { ...good, api: {} },
    { ...good, actor: {} },
    { ...good, src_endpoint: { port: 1 } },
    { ...good, patient: "x" },
    { ...good, metadata: { version: "1.8.0" } },
    { ...good, type_uid: 600_399_1 },
  ])
    expect(faults(bad), JSON.stringify(bad)).not.toEqual([]);
});

test("who did what to which data, and whether they could, is where OCSF has it", () => {
  const one = view({ outcome: "denied", decision: { allowed: false, reason: "not_assigned" } });
  expect(ocsfEvent(one)).toMatchObject({
    ...{ class_uid: 6003, activity_id: 2, type_uid: 600302, time: Date.parse(one.time) },
    ...{
      status_id: 2,
      status: "Failure",
      status_code: "denied",
      status_detail: "not_assigned",
      severity_id: 3,
    },
    metadata: { version: OCSF_VERSION, uid: one.id, sequence: 41, event_code: one.type },
    actor: { user: { uid: one.actor?.id, name: "Anna Weber", type: "doctor" } },
    src_endpoint: { ip: one.ip },
    resources: [{ name: "prescription/1", type: "prescription" }, ...one.patientIds.map((uid) => ({ uid }))],
  });
});
