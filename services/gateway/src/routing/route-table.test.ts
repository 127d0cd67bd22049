import { recordsRoutes } from "@medvault/contracts";
import { expect, test } from "vitest";
import { createRouteTable } from "./route-table.ts";

const table = createRouteTable({ maxUploadBytes: 1 });
const ID = "01a21da3-7356-772d-8233-d7ece42a64d0";

test("an assertion is good at one service, and at a second one only where the first asks it", () => {
  const shared = recordsRoutes
    .filter((doc) => !doc.internal)
    .map(({ method, path }) => [`${method} ${path}`, table(method, path.replace(/\{\w+\}/g, ID))] as const)
    .filter(([, route]) => route?.audiences.includes("auth"));
  expect(shared.map(([key]) => key).sort()).toEqual([
    "GET /v1/appointments/slots",
    "GET /v1/calendar/{file}",
    "GET /v1/patients/{id}/access",
    "PATCH /v1/appointments/{id}",
    "PATCH /v1/claims/{id}",
    "PATCH /v1/patients/{id}",
    "POST /v1/appointments",
    "POST /v1/care-team",
    "POST /v1/claims",
    "POST /v1/patients",
    "POST /v1/patients/{id}/consents",
    "PUT /v1/patients/{id}/care-team/{userId}",
  ]);
  expect(table("POST", "/v1/patients/search")?.audiences).toEqual(["records", "auth/people"]);
  expect(table("GET", `/v1/files/${ID}`)?.audiences).toEqual(["files", "records", "auth/people"]);
  expect(table("GET", "/v1/audit/events")?.audiences).toEqual(["audit", "auth/people"]);
  for (const path of ["my-access", `events/${ID}/proof`])
    expect(table("GET", `/v1/audit/${path}`)?.audiences).toEqual(["audit", "records/people", "auth/people"]);
  const knowing = ["auth", "records/people", "audit/people"];
  expect(table("GET", `/v1/directory/${ID}`)?.audiences).toEqual(knowing);
  expect(table("POST", "/v1/directory/search")?.audiences).toEqual(["auth"]);
  expect(table("GET", "/v1/calendar/f.ics")).toMatchObject({ access: "public", service: "records" });
  // A mail program's one click: a form, of which nothing is read.
  const stop = table("POST", "/v1/auth/reminders/stop/token");
  expect(stop).toMatchObject({ access: "public", service: "auth", streams: true, maxBodyBytes: 65_536 });
  for (const [method, path] of [
    ["GET", "/v1/auth/reminders/stop/token"],
    ["POST", "/v1/auth/reminders/stop/token/x"],
    ["POST", "/v1/calendar/f.ics"],
    ["GET", "/v1/calendar/f.ics/x"],
  ] as const)
    expect(table(method, path)?.access).toBe("session");
  const made = table("POST", `/v1/patients/${ID}/export`);
  expect(made).toMatchObject({
    service: "files",
    audiences: ["files", "records", "auth"],
    access: "session",
  });
  expect(table("GET", `/v1/exports/${ID}`)?.audiences).toEqual(["files", "records", "auth/people"]);
  expect(table("GET", "/v1/backups")?.audiences).toEqual(["backup"]);
});
