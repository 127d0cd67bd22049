import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** The newest one-time token that was mailed to `address`; waits up to 10 s for the mail. */
export async function mailedToken(mailDir: string, address: string): Promise<string> {
  const end = Date.now() + 10_000;
  while (Date.now() < end) {
    for (const text of await mailsTo(mailDir, address)) {
      const token = /token=([A-Za-z0-9_-]{20,})/.exec(text)?.[1];
      if (token) return token;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("no mail with a token came");
}

/** The mails to `address`, newest first, with quoted-printable undone. */
async function mailsTo(mailDir: string, address: string): Promise<string[]> {
  const names = (await readdir(mailDir))
    .filter((name) => name.endsWith(".eml"))
    .sort()
    .reverse();
  const texts = await Promise.all(names.map((name) => readFile(path.join(mailDir, name), "utf8")));
  return texts
    .filter((text) => text.toLowerCase().includes(`to: ${address.toLowerCase()}`))
    .map((text) => text.replace(/=\r?\n/g, "").replace(/=3D/g, "="));
}
