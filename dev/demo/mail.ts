import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The newest one-time token mailed to an address; waits up to 10 s for the mail. */
export async function mailedToken(mailDir: string, address: string): Promise<string> {
  for (const end = Date.now() + 10_000; Date.now() < end; await sleep(50)) {
    for (const name of wholeMails(mailDir)) {
      const mail = fs
        .readFileSync(path.join(mailDir, name), "utf8")
        .replace(/=\r?\n/g, "")
        .replace(/=3D/g, "=");
      if (!mail.toLowerCase().includes(`to: ${address.toLowerCase()}`)) continue;
      const token = /token=([A-Za-z0-9._-]{20,})/.exec(mail)?.[1];
      if (token) return token;
    }
  }
  throw new Error("no mail with a token came");
}

/** The newest first; one that is still being written has another ending. */
const wholeMails = (mailDir: string) =>
  fs
    .readdirSync(mailDir)
    .filter((name) => name.endsWith(".eml"))
    .sort()
    .reverse();
