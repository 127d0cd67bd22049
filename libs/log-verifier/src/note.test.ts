import { expect, test } from "vitest";
import { webEngine } from "./engine.mjs";
import { nodeEngine } from "./node/engine.mjs";
import { openCheckpoint, openNote, readCheckpoint, readKey } from "./note.mjs";

/** Notes that others signed: of C2SP signed-note, and of golang.org/x/mod/sumdb/note. */
const FOREIGN = [
  {
    vkey: "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    note: "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
  },
  {
    vkey: "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    note: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
  },
];

test.each([
  ["Node", nodeEngine],
  ["WebCrypto", webEngine],
])(
  "notes that other programs signed open under their keys, and changed ones do not (%s)",
  async (_, engine) => {
    for (const { vkey, note } of FOREIGN) {
      const key = await readKey(engine, vkey);
      expect((await openNote(engine, note, [key])).signatures).toHaveLength(1);
      await expect(openNote(engine, note.replace("is", "was"), [key])).rejects.toThrow("forged or changed");
      await expect(openCheckpoint(engine, note, key, key.name)).rejects.toThrow("no size and root");
    }
  },
);

test("the checkpoint in C2SP tlog-cosignature is read, and its strangers' signatures say nothing", async () => {
  const text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  const lines =
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n" +
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
  expect(readCheckpoint(text)).toMatchObject({ origin: "example.com/behind-the-sofa", size: 20_852_163 });
  expect(readCheckpoint(`${text}an extension\n`)).toMatchObject({ size: 20_852_163 });
  for (const bad of [text.slice(0, -1), `${text}\n`, text.replace("2085", "02085"), text.replace("I=", "J=")])
    expect(readCheckpoint(bad), bad).toBeNull();
  const key = await readKey(nodeEngine, FOREIGN[0]?.vkey ?? "");
  expect((await openNote(nodeEngine, `${text}\n${lines}`, [key])).signatures).toEqual([]);
});
