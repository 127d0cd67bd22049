import { readPdf } from "@medvault/testing";
import { expect, test } from "vitest";
import type { Letterhead } from "./block.ts";
import { DocumentFailed } from "./document.service.ts";
import { prescriptionDocument } from "./prescription-document.ts";

const PASSWORD = "a pale horse walks home";
const NOBODY: Letterhead = { name: "", lines: [], logo: null };

async function made(
  notes: string,
  { password = PASSWORD as string | null, letterhead = NOBODY } = {},
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const prescribed = {
    ...{ madeAt: "2026-11-28 07:30, UTC", letterhead, password, medication: "Metformin 500 MG" },
    ...{ patient: [["Name", "Ada Marsh"]] as const, prescription: [["Notes", notes]] as const },
    ...{ code: "7K2QW-0F3NT-XD5VA-H9RZM", codeWords: "Ask the clinic." },
  };
  for await (const piece of prescriptionDocument(prescribed)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const letters = (text: string) => text.normalize("NFC").replace(/\s/gu, "");

test("a document opens with its password alone, and is under AES-256 of PDF 2.0", async () => {
  const pdf = await made("By mouth.");
  const { text, info } = await readPdf(pdf, PASSWORD);
  expect(text).toContain(letters("Metformin 500 MG"));
  expect(text).toContain("7K2QW-0F3NT-XD5VA-H9RZM");
  expect(info).toMatchObject({ Title: "Prescription", EncryptFilterName: "Standard" });
  for (const wrong of [undefined, "", "a pale horse walks homf"])
    await expect(readPdf(pdf, wrong), String(wrong)).rejects.toMatchObject({ name: "PasswordException" });
  const raw = pdf.toString("latin1");
  const dictionary = /\/Filter \/Standard[\s\S]*?endobj/.exec(raw)?.[0] ?? "";
  expect(dictionary).toMatch(/\/V 5\b[\s\S]*\/CFM \/AESV3[\s\S]*\/R 6\b/);
  for (const said of ["Metformin", "Ada", "7K2QW"]) expect(raw).not.toContain(said);
});

test.each(["𐅥𔖲ﺢ𓀟စԳ㌶𐒱𐙣", "pferd مرحبا haus", "a\u00adsoft hyphen", "\u{e000} private"])(
  "a document opens with the password %s, of whatever letters it is",
  async (password) => {
    const { text } = await readPdf(await made("By mouth.", { password }), password.normalize("NFKC"));
    expect(text).toContain("7K2QW-0F3NT-XD5VA-H9RZM");
  },
);

test.each([
  ["Latin", "Nguyễn Thị Ánh, Łukasz Żółć, Ásdís Þórsdóttir, İpek Yıldız"],
  ["Greek", "Ελένη Παπαδοπούλου"],
  ["Cyrillic", "Владимир Щукин, Олександр Їжак"],
  ["Chinese", "王小明和歐陽娜娜住在北京"],
  ["Japanese", "山田太郎（やまだ たろう）さん"],
  ["Korean", "김민준과 이서연"],
  ["Thai", "สมชายใจดีกินยาหลังอาหาร"],
])("what is written in %s is read out again as it was said", async (_script, said) => {
  const { text } = await readPdf(await made(said), PASSWORD);
  expect(letters(text)).toContain(letters(said));
  expect(text).not.toContain("[U+");
});

/** The letters of a text, sorted: readers order right-to-left text differently. */
const inAnyOrder = (text: string) => [...letters(text)].sort().join("");

test.each([
  ["Arabic", "محمد بن علي يؤخذ مرتين"],
  ["Persian", "پژمان گل‌محمدی چای"],
  ["Hebrew", "שלום כהן"],
  ["Devanagari", "क्षत्रिय हिन्दी कुमार"],
])("no letter of %s is lost or taken for another", async (_script, said) => {
  const [{ text: without }, { text }] = [
    await readPdf(await made("x"), PASSWORD),
    await readPdf(await made(said), PASSWORD),
  ];
  const added = inAnyOrder(text).replace(/[\p{ASCII}·]/gu, "");
  expect(without).not.toContain("[U+");
  expect(text).not.toContain("[U+");
  expect(added).toBe(inAnyOrder(said).replace(/[\p{ASCII}\u200c]/gu, ""));
});

test("what no font has is shown by its code point, never left out", async () => {
  const { text } = await readPdf(await made("ok 😀 \u{10300} end"), PASSWORD);
  expect(text).toContain("ok[U+1F600][U+10300]end");
});

test("threat: invisible controls turn the order of what is printed around; they are left out", async () => {
  const { text } = await readPdf(await made("take \u202e5 daily\u202c not \u2066more\u2069"), PASSWORD);
  expect(text).toContain("take5dailynotmore");
});

test("a long note flows over pages, in order and whole", async () => {
  const words = Array.from({ length: 3_000 }, (_, at) => `w${at}`);
  const { text, pages } = await readPdf(await made(words.join(" ")), PASSWORD);
  expect(pages).toBeGreaterThan(2);
  const printed = text.replace(/Prescription·2026-11-2807:30,UTC·page\d+/g, "");
  expect(printed).toContain(words.join(""));
});

test("threat: text that is made to hang a reader is printed in bounded time, and says what it held", async () => {
  const marks = `a${"\u0301".repeat(19_000)}`;
  const { text } = await readPdf(await made(marks), PASSWORD);
  const left = [...text.matchAll(/\[\+(\d+)\]/g)].reduce((all, [, count]) => all + Number(count), 0);
  expect(left + (text.match(/[\u0301\u00e1]/g) ?? []).length).toBe(19_000);
  const unbroken = "Ж".repeat(20_000);
  const { text: wide, pages } = await readPdf(await made(unbroken), PASSWORD);
  expect(wide.match(/Ж/g)).toHaveLength(20_000);
  expect(pages).toBeGreaterThan(5);
  const turning = "\u202e(א[1".repeat(4_000);
  expect((await readPdf(await made(turning), PASSWORD)).text.match(/א/g)).toHaveLength(4_000);
});

test("the letterhead is at the top", async () => {
  const logo = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
  );
  const letterhead = { name: "Praxis Müller", lines: ["Hauptstraße 1", "10115 Berlin"], logo };
  const { text } = await readPdf(await made("x", { letterhead, password: null }));
  expect(text).toContain("PraxisMüllerHauptstraße110115BerlinPrescription");
});

test("a document whose making fails is refused, and the next one is made", async () => {
  const letterhead = { name: "", lines: [], logo: Buffer.from("no image") };
  await expect(made("x", { letterhead })).rejects.toBeInstanceOf(DocumentFailed);
  expect((await readPdf(await made("x"), PASSWORD)).pages).toBe(1);
});

test("threat: many documents at once; each is made in its turn, one too many is refused", async () => {
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => made("x")));
  const refused = all.filter(({ status }) => status === "rejected");
  expect(refused.length).toBe(2);
  for (const { reason } of refused as PromiseRejectedResult[]) expect(reason).toBeInstanceOf(DocumentFailed);
});
