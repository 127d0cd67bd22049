import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Request } from "express";
import { expect, test } from "vitest";
import { routeDocuments } from "../routing/route-docs.ts";
import { fieldPlan } from "../screening/field-plan.ts";
import { screenBody } from "../screening/screen.ts";
import { publicRoutes } from "../system/openapi.ts";
import { inspector } from "./inspect.ts";
import { checkShape } from "./json-shape.ts";

const find = routeDocuments(publicRoutes);
const inspect = inspector(find);
const ID = "018f4c1e-7a2b-7c3d-8e4f-0123456789ab";

function browserRequest(url: string): Request {
  const req = new IncomingMessage(new Socket());
  req.method = "GET";
  req.url = url;
  req.rawHeaders = [
    ...["Host", "clinic.example", "Connection", "keep-alive", "Authorization", `Bearer ${"a".repeat(600)}`],
    ...["User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:156.0) Gecko/20100101 Firefox/156.0"],
    ...[
      "Accept",
      "application/json",
      "Accept-Language",
      "de,en;q=0.5",
      "Accept-Encoding",
      "gzip, deflate, br",
    ],
    ...[
      "Referer",
      "https://clinic.example/patients",
      "Sec-Fetch-Mode",
      "cors",
      "Sec-Fetch-Site",
      "same-origin",
    ],
    ...["Cookie", `__Host-session=${"b".repeat(600)}`, "X-Request-Id", ID, "X-Purpose", "TREAT"],
  ];
  return req as Request;
}

/** Microseconds of processor time for each of `times`. */
function costOf(times: number, act: () => void): number {
  for (let i = 0; i < times; i++) act();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

test("the first look at a clean request costs tens of microseconds", () => {
  const plain = browserRequest(`/v1/patients/${ID}`);
  const listed = browserRequest(`/v1/prescriptions?from=2026-01-01&to=2026-02-01&limit=50&patientId=${ID}`);
  expect(costOf(5_000, () => inspect(plain))).toBeLessThan(100);
  expect(costOf(5_000, () => inspect(listed))).toBeLessThan(150);
});

test("so does the look at an everyday body; a note of a mebibyte costs milliseconds", () => {
  const plan = fieldPlan(find("POST", `/v1/patients/${ID}/records`));
  const look = (text: string) => {
    checkShape(text);
    screenBody(JSON.parse(text), plan);
  };
  const note = {
    type: "note",
    title: "Visit",
    body: "BP <120, no fever. ".repeat(20),
    occurredAt: "2026-01-02T03:04:05Z",
  };
  expect(costOf(5_000, () => look(JSON.stringify(note)))).toBeLessThan(100);
  const long = JSON.stringify({ ...note, body: 'He said "no".\n'.repeat(70_000) });
  expect(costOf(10, () => look(long)) / 1_000).toBeLessThan(100);
});
