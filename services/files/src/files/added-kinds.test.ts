import { afterAll, beforeAll, expect, test } from "vitest";
import { type Files, form, type Person, startFiles, upload } from "../../test/harness.ts";
import { addedTypes } from "./added-kinds.ts";
import { PDF, PNG } from "./content.testdata.ts";

const SETTING = "edf=application/edf, hl7=text/plain, *=application/octet-stream";

let files: Files;
let person: Person;
beforeAll(async () => {
  files = await startFiles({ MEDVAULT_FILES_TYPES: SETTING });
  person = await files.person("doctor");
});
afterAll(() => files.stop());

const send = (bytes: Buffer, name: string, type: string) =>
  upload(files, person, form(["patientId", files.patientOf(person)], ["files", bytes, name, type]));

test.each([
  ["trace.edf", "application/edf", Buffer.from("0       X"), "application/edf"],
  ["message.hl7", "text/plain", Buffer.from("MSH|^~\\&|LAB\r"), "text/plain"],
  ["trace.bdf", "application/x-bdf", Buffer.from("0       X"), "application/octet-stream"],
  ["plan.rtplan2", "", Buffer.from([0, 1, 2, 255]), "application/octet-stream"],
])("an ending that the operator added is stored, and a download only: %s", async (...one) => {
  const [name, declared, bytes, contentType] = one;
  const { status, body } = await send(bytes, name, declared);
  expect({ status, body }).toMatchObject({ status: 201, body: { items: [{ name, contentType }] } });
  const path = `${files.url}/v1/files/${body.items[0]?.id}/content`;
  const shown = await fetch(`${path}?disposition=inline`, { headers: person.headers });
  expect(shown.status).toBe(400);
  const content = await fetch(path, { headers: person.headers });
  expect(content.headers.get("content-disposition")).toMatch(/^attachment/);
  expect(content.headers.get("x-content-type-options")).toBe("nosniff");
  expect(Buffer.from(await content.arrayBuffer()).equals(bytes)).toBe(true);
});

test.each([
  ["run.exe", "application/octet-stream", Buffer.from("harmless"), "extension"],
  ["page.html", "text/html", Buffer.from("<p>"), "extension"],
  ["letter.docm", "application/octet-stream", PDF, "extension"],
  ["tool.bin", "application/octet-stream", Buffer.from("MZ\u0090"), "program"],
  ["tool.x", "application/octet-stream", Buffer.from("#!/bin/sh\n"), "program"],
  ["note.weird", "text/html", Buffer.from("\n<!DOCTYPE html><p>"), "program"],
  ["picture.foo", "image/png", Buffer.from("<svg onload=alert(1)>"), "program"],
  ["message.hl7", "text/plain", PNG, "control_characters"],
  ["message.hl7", "image/png", Buffer.from("MSH|"), "declared_type"],
  ["scan.pdf", "application/pdf", PNG, "structure"],
])("programs and pages stay out, and what is built in is judged as ever: %s", async (...one) => {
  const [name, declared, bytes, code] = one;
  expect(await send(bytes, name, declared)).toMatchObject({ status: 415, body: { errors: [{ code }] } });
});

test.each([
  ["edf", "is no ending=type"],
  ["exe=application/octet-stream", "are programs"],
  ["svg=image/svg+xml", "are programs"],
  ["pdf=application/pdf", "are stored already"],
  ["*=text/html", "can be application/octet-stream only"],
  ["../x=text/plain", "is no ending=type"],
])("a setting that cannot be is refused at start: %s", (setting, message) => {
  expect(() => addedTypes(setting)).toThrow(message);
});

test("without the setting nothing is added", () => {
  expect(addedTypes("").size).toBe(0);
});
