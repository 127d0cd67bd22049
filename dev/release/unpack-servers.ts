// Runs under Node 24, in what install.mjs has laid out: npm start then finds its servers unpacked.
import { sharedPath } from "../lib/paths.mjs";
import { unpackArchives } from "../servers/debian.ts";

const [archives] = process.argv.slice(2);
if (!archives) throw new Error("usage: unpack-servers.ts <folder of .deb files>");
await unpackArchives(sharedPath("toolchain"), archives, new AbortController().signal);
