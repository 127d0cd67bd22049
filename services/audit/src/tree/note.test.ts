import { generateKeyPairSync, sign } from "node:crypto";
import { expect, test } from "vitest";
import { checkpointText, openCheckpoint, parseCheckpointText } from "./checkpoint.ts";
import { assembleNote, decodeVkey, encodeVkey, isKeyName, type NoteKey, openNote } from "./note.ts";
import { parseTilePath, tilePath } from "./tile.ts";

/** From the documentation of golang.org/x/mod/sumdb/note: another implementation's bytes. */
const GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE =
  "If you think cryptography is the answer to your problem,\n" +
  "then you don't know what your problem is.\n\n" +
  "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

function given(name = "example.test/log") {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const key = decodeVkey(encodeVkey(name, publicKey)) as NoteKey;
  const signed = (text: string) => assembleNote(text, key, sign(null, Buffer.from(text), privateKey));
  return { key, signed, publicKey };
}

test("a note that another implementation signed opens under its verifier key", () => {
  const key = decodeVkey(GO_VKEY);
  expect(key?.name).toBe("PeterNeumann");
  expect(openNote(GO_NOTE, key as NoteKey)).toMatch(/^If you think/);
  expect(openNote(GO_NOTE.replace("answer", "answers"), key as NoteKey)).toBeNull();
});

test("a verifier key survives its way out and back, and a damaged one is refused", () => {
  const { publicKey } = given();
  const vkey = encodeVkey("example.test/log", publicKey);
  expect(decodeVkey(`${vkey}\n`)?.id.toString("hex")).toBe(vkey.split("+")[1]);
  expect(decodeVkey(vkey.replace("example.test", "example.tesx"))).toBeNull();
  expect(decodeVkey(vkey.slice(0, -4))).toBeNull();
  expect(decodeVkey("")).toBeNull();
  expect([
    isKeyName("a b"),
    isKeyName("a+b"),
    isKeyName(""),
    isKeyName("a\u00a0b"),
    isKeyName("a/b"),
  ]).toEqual([false, false, false, false, true]);
});

test("a checkpoint opens for its key and origin only", () => {
  const { key, signed } = given();
  const root = Buffer.alloc(32, 7);
  const note = signed(checkpointText({ origin: "example.test/log", size: 12, root }));
  expect(openCheckpoint(note, key, "example.test/log")).toMatchObject({ size: 12, root, note });
  expect(openCheckpoint(note, key, "example.test/other")).toBeNull();
  expect(openCheckpoint(note, given().key, "example.test/log")).toBeNull();
  expect(openCheckpoint(note.replace("\n12\n", "\n13\n"), key, "example.test/log")).toBeNull();
});

test("a cosignature of another key is ignored, a false one of the known key refuses the note", () => {
  const { key, signed } = given();
  const note = signed("text\n");
  const other = given("witness.test/w").signed("text\n").split("\n").at(-2);
  expect(openNote(`${note}${other}\n`, key)).toBe("text\n");
  const forged = signed("other\n").split("\n").at(-2);
  expect(openNote(`${note}${forged}\n`, key)).toBeNull();
  expect(openNote("text\n\n— example.test/log\n", key)).toBeNull();
  expect(openNote(note.replace("text", "te\txt"), key)).toBeNull();
});

test("a checkpoint text has one spelling", () => {
  const root = Buffer.alloc(32, 1).toString("base64");
  expect(parseCheckpointText(`o\n0\n${root}\n`)).toMatchObject({ origin: "o", size: 0 });
  for (const text of [
    `o\n01\n${root}\n`,
    `o\n-1\n${root}\n`,
    `\n1\n${root}\n`,
    `o\n1\n${root}`,
    `o\n1\nAAAA\n`,
  ]) {
    expect(parseCheckpointText(text)).toBeNull();
  }
  expect(parseCheckpointText(`o\n1\n${root}\nextension\n`)).toBeNull();
  expect(parseCheckpointText(`o\n99999999999999999999\n${root}\n`)).toBeNull();
});

test("tile paths are C2SP's, and only its one spelling is read", () => {
  expect(tilePath({ level: 0, index: 1_234_067, width: 256 })).toBe("0/x001/x234/067");
  expect(tilePath({ level: 1, index: 5, width: 8 })).toBe("1/005.p/8");
  for (const path of ["0/000", "0/x001/x234/067", "63/999", "entries/x001/000.p/255", "2/000.p/1"]) {
    expect(tilePath(parseTilePath(path) ?? { level: 0, index: 0, width: 1 })).toBe(path);
  }
  for (const path of [
    "00/000",
    "64/000",
    "0/0",
    "0/x000/001",
    "0/1000",
    "0/000.p/0",
    "0/000.p/256",
    "0/000.p/08",
    "0/../000",
    "0/x999/x999/x999/x999/x999/999",
    "0/000/",
    "",
  ]) {
    expect(parseTilePath(path), path).toBeNull();
  }
});
