import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { newId } from "@medvault/contracts";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Files, form, MAX_FILE_BYTES, type Person, startFiles, upload } from "../../test/harness.ts";
import { docx, HEIC, PDF, PNG } from "./content.testdata.ts";

let files: Files;
let doctor: Person;
let other: Person;
let patientId: string;

beforeAll(async () => {
  files = await startFiles();
});
afterAll(() => files.stop());
beforeEach(async () => {
  await files.pool.query("delete from files");
  await files.pool.query("delete from outbox");
  await files.blobs.discard(await kept());
  doctor = await files.person("doctor");
  other = await files.person("doctor");
  patientId = files.patientOf(doctor);
});

async function kept(): Promise<string[]> {
  const names: string[] = [];
  for await (const name of files.blobs.kept(0)) names.push(name);
  return names;
}

/** Nothing of the refused request stays: no row, no file; and the refusal is in the log. */
async function expectNothingStays(reason: string): Promise<void> {
  expect(await files.rows()).toBe(0);
  expect(await files.onDisk()).toEqual([]);
  expect((await files.events()).map((event) => [event.type, event.data.decision.reason])).toEqual([
    [expect.stringMatching(/^medvault\.files\.file\.(denied|failed)\.v1$/), reason],
  ]);
}

test("several files of one request are stored, described, and leave one event each", async () => {
  const attachTo = `prescription/${files.prescriptionOf(patientId)}`;
  const answer = await upload(
    files,
    doctor,
    form(
      ["patientId", patientId],
      ["attachTo", attachTo],
      ["files", PDF, "Bericht Müller.pdf", "application/pdf"],
      ["files", PNG, "scan.png", "image/png"],
      ["files", docx(), "brief.docx", "application/octet-stream"],
    ),
  );
  expect(answer.status).toBe(201);
  expect(answer.body.items).toMatchObject([
    {
      name: "Bericht Müller.pdf",
      contentType: "application/pdf",
      size: PDF.length,
      state: "stored",
      attachedTo: attachTo,
    },
    { name: "scan.png", contentType: "image/png", size: PNG.length },
    { name: "brief.docx" },
  ]);
  const events = await files.events();
  expect(events.map((event) => event.type)).toEqual(Array(3).fill("medvault.files.file.stored.v1"));
  expect(events[0]).toMatchObject({
    subject: `file/${answer.body.items[0]?.id}`,
    data: { patientIds: [patientId], outcome: "success", details: { rev: 1, sizeBytes: PDF.length } },
  });
  expect(JSON.stringify(events)).not.toContain("Müller");
});

test("neither names nor contents can be read in the database or on disk, and names on disk are not ids", async () => {
  const mark = `Zyankali-${randomBytes(8).toString("hex")}`;
  const text = Buffer.from(`${mark} in the notes\n`);
  const answer = await upload(
    files,
    doctor,
    form(["patientId", patientId], ["files", text, `${mark}.txt`, "text/plain"]),
  );
  expect(answer.status).toBe(201);
  const { rows } = await files.pool.query("select f::text as line from files f");
  expect(JSON.stringify(rows)).not.toContain(mark);
  const [path = ""] = await files.onDisk();
  expect(readFileSync(path).includes(mark)).toBe(false);
  expect(path).not.toContain(answer.body.items[0]?.id);
  expect(path).not.toContain(patientId);
});

test("fields may come after the files", async () => {
  const answer = await upload(
    files,
    doctor,
    form(["files", PDF, "a.pdf", "application/pdf"], ["patientId", patientId]),
  );
  expect(answer.status).toBe(201);
});

test("a patient of someone else and one that does not exist are refused the same way, whatever comes first", async () => {
  const foreign = files.patientOf(other);
  const answers = [];
  for (const id of [foreign, newId()]) {
    answers.push(
      await upload(files, doctor, form(["patientId", id], ["files", PDF, "a.pdf", "application/pdf"])),
      await upload(files, doctor, form(["files", PDF, "a.pdf", "application/pdf"], ["patientId", id])),
    );
  }
  const bodies = answers.map(({ status, body: { requestId: _, ...body } }) => ({ status, body }));
  expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
  expect(bodies[0]).toMatchObject({ status: 404, body: { code: "not_found" } });
  expect(await files.rows()).toBe(0);
  expect(await files.onDisk()).toEqual([]);
});

test("a prescription of another patient cannot be attached to", async () => {
  const attachTo = `prescription/${files.prescriptionOf(files.patientOf(doctor))}`;
  const answer = await upload(
    files,
    doctor,
    form(["patientId", patientId], ["attachTo", attachTo], ["files", PDF, "a.pdf", "application/pdf"]),
  );
  expect(answer).toMatchObject({ status: 404, body: { code: "not_found" } });
  await expectNothingStays("not_found");
});

test.each([
  [
    "a program named pdf",
    Buffer.from("\u007fELF\u0002\u0001\u0001"),
    "report.pdf",
    "application/pdf",
    "content_mismatch",
  ],
  ["a PNG declared as PDF", PNG, "scan.png", "application/pdf", "content_mismatch"],
  ["a PDF named png", PDF, "scan.png", "image/png", "content_mismatch"],
  ["an SVG", Buffer.from("<svg/>"), "x.svg", "image/svg+xml", "unsupported_media_type"],
  ["no extension", PDF, "report", "application/pdf", "unsupported_media_type"],
  ["a script behind an image's name", PDF, "scan.png.php", "image/png", "unsupported_media_type"],
])(
  "%s is 415 and nothing of the request stays, the good file beside it included",
  async (_, bytes, name, type, code) => {
    const answer = await upload(
      files,
      doctor,
      form(
        ["patientId", patientId],
        ["files", PDF, "good.pdf", "application/pdf"],
        ["files", bytes, name, type],
      ),
    );
    expect(answer).toMatchObject({ status: 415, body: { code } });
    await expectNothingStays(code);
  },
);

test("what is refused says which rule refused it, of which file, and repeats nothing of either", async () => {
  const ask = (bytes: Buffer, name: string, type: string) =>
    upload(
      files,
      doctor,
      form(
        ["patientId", patientId],
        ["files", PDF, "a.pdf", "application/pdf"],
        ["files", bytes, name, type],
      ),
    );
  const secret = Buffer.from("Zyankali\0");
  for (const [answer, code] of [
    [await ask(secret, "Zyankali.txt", "text/plain"), "control_characters"],
    [await ask(secret, "Zyankali.png", "image/png"), "structure"],
    [await ask(PNG, "Zyankali.png", "image/gif"), "declared_type"],
    [await ask(HEIC, "Zyankali.jpg", "image/jpeg"), "heif"],
    [await ask(secret, "Zyankali.exe", ""), "extension"],
    [await ask(secret, "Zyankali", ""), "no_extension"],
  ] as const) {
    expect(answer).toMatchObject({ status: 415, body: { errors: [{ path: "files.1", code }] } });
    expect(JSON.stringify(answer.body)).not.toContain("Zyankali");
  }
  expect(await files.rows()).toBe(0);
});

/** A form of one file, part headers as given, a character a byte. */
function uploadRaw(partHeaders: string, bytes: Buffer) {
  const body = `--b\r\nContent-Disposition: form-data; name="patientId"\r\n\r\n${patientId}\r\n--b\r\n${partHeaders}\r\n\r\n`;
  return fetch(`${files.url}/v1/files`, {
    method: "POST",
    headers: { ...doctor.headers, "content-type": "multipart/form-data; boundary=b" },
    body: Buffer.concat([Buffer.from(body, "latin1"), bytes, Buffer.from("\r\n--b--\r\n")]),
  });
}

test.each([
  ["in Latin-1", 'filename="Gr\u00f6\u00dfe.pdf"', "Größe.pdf"],
  ["in UTF-8", 'filename="Gr\u00c3\u00b6\u00c3\u009fe.pdf"', "Größe.pdf"],
  ["in its own charset", "filename*=UTF-8''%E5%A0%B1%E5%91%8A.pdf", "報告.pdf"],
  ["with percent escapes", 'filename="a%20b%22.pdf"', "a%20b%22.pdf"],
  ["with a joiner", `filename="${Buffer.from("👩‍⚕️.pdf").toString("latin1")}"`, "👩‍⚕️.pdf"],
])(
  "a name %s comes back as sent, and a part without type has that of its name",
  async (_, parameter, name) => {
    const answer = await uploadRaw(`Content-Disposition: form-data; name="files"; ${parameter}`, PDF);
    expect([answer.status, ((await answer.json()) as { items: object[] }).items]).toMatchObject([
      201,
      [{ name, contentType: "application/pdf" }],
    ]);
  },
);

test("a part without type is still what its name says, or refused", async () => {
  const answer = await uploadRaw('Content-Disposition: form-data; name="files"; filename="a.pdf"', PNG);
  expect(answer.status).toBe(415);
  await expectNothingStays("content_mismatch");
});

test("a file one byte over the limit is 413 and nothing stays; one at the limit is stored", async () => {
  const text = (bytes: number) => Buffer.alloc(bytes, "a");
  const over = await upload(
    files,
    doctor,
    form(["patientId", patientId], ["files", text(MAX_FILE_BYTES + 1), "a.txt", "text/plain"]),
  );
  expect(over).toMatchObject({ status: 413, body: { code: "too_large" } });
  await expectNothingStays("too_large");
  const at = await upload(
    files,
    doctor,
    form(["patientId", patientId], ["files", text(MAX_FILE_BYTES), "a.txt", "text/plain"]),
  );
  expect(at.status).toBe(201);
});

test("ten files are taken, eleven are refused whole", async () => {
  const part = ["files", PDF, "a.pdf", "application/pdf"] as const;
  const eleven = await upload(files, doctor, form(["patientId", patientId], ...Array(11).fill(part)));
  expect(eleven).toMatchObject({ status: 400, body: { code: "invalid_input", errors: [{ path: "files" }] } });
  await expectNothingStays("invalid_input");
  const ten = await upload(files, doctor, form(["patientId", patientId], ...Array(10).fill(part)));
  expect(ten.body.items).toHaveLength(10);
});

test.each([
  ["no patient", form(["files", PDF, "a.pdf", "application/pdf"]), "patientId"],
  [
    "a patient that is no id",
    form(["patientId", "x"], ["files", PDF, "a.pdf", "application/pdf"]),
    "patientId",
  ],
  ["no file", form(["patientId", newId()]), undefined],
  ["an unknown field", form(["patientId", newId()], ["role", "admin"]), "role"],
  ["a field twice", form(["patientId", newId()], ["patientId", newId()]), "patientId"],
  ["a file under another name", form(["avatar", PDF as never, "a.pdf", "x/y"] as never), "files"],
  ["a name of which nothing is left", form(["files", PDF, "\u202e", "application/pdf"]), "files"],
])("%s is 400 or 404 and nothing stays", async (_, body, path) => {
  const answer = await upload(files, doctor, body);
  if (path) expect(answer).toMatchObject({ status: 400, body: { errors: [{ path }] } });
  else expect(answer.status).toBe(404);
  expect(await files.rows()).toBe(0);
  expect(await files.onDisk()).toEqual([]);
});

test("another content type is 415, a form without boundary or cut short 400", async () => {
  const post = (type: string, body: string) =>
    fetch(`${files.url}/v1/files`, {
      method: "POST",
      headers: { ...doctor.headers, "content-type": type },
      body,
    });
  expect((await post("text/plain", "hello")).status).toBe(415);
  expect((await post("multipart/form-data; x=y", "hello")).status).toBe(400);
  const cut = `--b\r\ncontent-disposition: form-data; name="patientId"\r\n\r\n${patientId}`;
  expect((await post("multipart/form-data; boundary=b", cut)).status).toBe(400);
  expect(await files.rows()).toBe(0);
});

test("names with a path are stored without it, and nothing lies outside the store", async () => {
  const answer = await upload(
    files,
    doctor,
    form(
      ["patientId", patientId],
      ["files", PDF, "../../../../tmp/evil.pdf", "application/pdf"],
      ["files", PDF, "..\\..\\win.ini.pdf", "application/pdf"],
    ),
  );
  expect(answer.body.items.map((item) => item.name)).toEqual(["evil.pdf", "win.ini.pdf"]);
  expect(await files.onDisk()).toHaveLength(2);
  expect(existsSync("/tmp/evil.pdf")).toBe(false);
});

test("an upload whose client goes away leaves nothing", async () => {
  const { hostname, port } = new URL(files.url);
  const socket = connect(Number(port), hostname);
  const head = [
    `--b\r\ncontent-disposition: form-data; name="patientId"\r\n\r\n${patientId}\r\n`,
    '--b\r\ncontent-disposition: form-data; name="files"; filename="a.txt"\r\ncontent-type: text/plain\r\n\r\n',
    "x".repeat(100_000),
  ].join("");
  const headers = Object.entries({ ...doctor.headers, "content-type": "multipart/form-data; boundary=b" });
  socket.write(
    `POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 250000\r\n${headers.map((h) => h.join(": ")).join("\r\n")}\r\n\r\n${head}`,
  );
  await expect.poll(() => files.onDisk()).toHaveLength(1);
  socket.destroy();
  await expect.poll(() => files.onDisk()).toEqual([]);
  await expect.poll(async () => (await files.events()).length).toBe(1);
  await expectNothingStays("invalid_input");
});

test("records away: nothing is stored, and the answer says when to try again", async () => {
  const away = await startFiles();
  try {
    const person = await away.person("doctor");
    const id = away.patientOf(person);
    await away.records.stop();
    const answer = await upload(
      away,
      person,
      form(["patientId", id], ["files", PDF, "a.pdf", "application/pdf"]),
    );
    expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(answer.headers.get("retry-after")).toBeTruthy();
    expect(await away.rows()).toBe(0);
    expect(await away.onDisk()).toEqual([]);
  } finally {
    await away.stop();
  }
});

test("the same key and body again gets the same answer and is stored once; another body is refused", async () => {
  const key = { "idempotency-key": newId() };
  const body = () => form(["patientId", patientId], ["files", PDF, "a.pdf", "application/pdf"]);
  const first = await upload(files, doctor, body(), key);
  await drainedEvents(files.pool);
  const again = await upload(files, doctor, body(), key);
  expect(again).toMatchObject({ status: 201, body: first.body });
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  // Anyone who repeats a write shows who they are and what they got, as in records.
  expect(
    (await drainedEvents(files.pool)).filter((event) => event.type.endsWith("file.stored.v1")),
  ).toMatchObject([
    { data: { actor: { id: doctor.id }, patientIds: [patientId], details: { replayed: true } } },
  ]);
  expect([await files.rows(), (await files.onDisk()).length]).toEqual([1, 1]);
  const changed = form(["patientId", patientId], ["files", PDF, "b.pdf", "application/pdf"]);
  expect(await upload(files, doctor, changed, key)).toMatchObject({
    status: 422,
    body: { code: "idempotency_key_reused" },
  });
  expect([await files.rows(), (await files.onDisk()).length]).toEqual([1, 1]);
});

test.each(["auditor", "guest"] as const)("a role without the permission is refused (%s)", async (role) => {
  const person = await files.person(role);
  const answer = await upload(
    files,
    person,
    form(["patientId", files.patientOf(person)], ["files", PDF, "a.pdf", "application/pdf"]),
  );
  expect(answer.status).toBe(role === "guest" ? 401 : 403);
  await expectNothingStays(role === "guest" ? "unauthenticated" : "forbidden");
});
