import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Request } from "express";
import { inspector } from "../../services/gateway/src/inspection/inspect.ts";
import { checkShape } from "../../services/gateway/src/inspection/json-shape.ts";
import { routeDocuments } from "../../services/gateway/src/routing/route-docs.ts";
import { fieldPlan } from "../../services/gateway/src/screening/field-plan.ts";
import { screenBody } from "../../services/gateway/src/screening/screen.ts";
import { threatIn } from "../../services/gateway/src/screening/threat.ts";
import { publicRoutes } from "../../services/gateway/src/system/openapi.ts";
import { type Finding, median } from "../rounds.ts";

const ID = "018f4c1e-7a2b-7c3d-8e4f-0123456789ab";
const NOTE = {
  type: "note",
  title: "Visit",
  body: "BP <120, no fever. ".repeat(20),
  occurredAt: "2026-01-02T03:04:05Z",
};
/** What people type and clients send; some of it is close to an attack. */
const VALUES = [
  ...["O'Brien", "D'Arcy; drop", "Union Street", "BP <120", "Jack and Jill = twins", "Smith & Sons"],
  ...["amoxicillin/clavulanate 875/125", "p < 0.05 and n = 30", "50% dextrose", "5' 10\"", "E11.9"],
  ...["o'brien@example.com", ID, "2026-01-02T03:04:05.678Z", "https://clinic.example/?sort=name&dir=asc"],
];

function browserRequest(url: string): Request {
  const req = new IncomingMessage(new Socket());
  req.method = "GET";
  req.url = url;
  req.rawHeaders = Object.entries({
    Host: "clinic.example",
    Connection: "keep-alive",
    Authorization: `Bearer ${"a".repeat(600)}`,
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:156.0) Gecko/20100101 Firefox/156.0",
    Accept: "application/json",
    "Accept-Language": "de,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    Referer: "https://clinic.example/patients",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
    Cookie: `__Host-session=${"b".repeat(600)}`,
    "X-Request-Id": ID,
    "X-Purpose": "TREAT",
  }).flat();
  return req as Request;
}

/** What inspecting a request and its body costs, in processor time. */
export function inspection(rounds: number): Finding[] {
  const find = routeDocuments(publicRoutes);
  const inspect = inspector(find);
  const plain = browserRequest(`/v1/patients/${ID}`);
  const listed = browserRequest(`/v1/prescriptions?from=2026-01-01&to=2026-02-01&limit=50&patientId=${ID}`);
  const plan = fieldPlan(find("POST", `/v1/patients/${ID}/records`));
  const look = (text: string) => {
    checkShape(text);
    screenBody(JSON.parse(text), plan);
  };
  const body = JSON.stringify(NOTE);
  const long = JSON.stringify({ ...NOTE, body: 'He said "no".\n'.repeat(70_000) });
  const cost = (name: string, times: number, atMost: number, act: () => void): Finding => ({
    name,
    measured: median(Array.from({ length: rounds }, () => microsOf(times, act))),
    unit: "µs",
    atMost,
  });
  return [
    cost("the first look at a request of a browser", 1_000, 100, () => inspect(plain)),
    cost("the same with a query of four names", 1_000, 150, () => inspect(listed)),
    cost("the look at an everyday body", 1_000, 100, () => look(body)),
    cost("the look at a body of a mebibyte", 2, 100_000, () => look(long)),
    cost(`the look at ${VALUES.length} clean values`, 200, 30 * VALUES.length, () =>
      VALUES.forEach(threatIn),
    ),
  ];
}

/** Microseconds of processor time for each of `times`, after as many that are not counted. */
function microsOf(times: number, act: () => void): number {
  for (let i = 0; i < times; i++) act();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}
