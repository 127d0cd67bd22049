// npm run image: builds the image and runs docker-compose.yml with it, on podman.
import { spawnSync } from "node:child_process";
import { command, handOver } from "./lib/cli.mjs";
import { checkNode, ensurePackages } from "./lib/prepare.mjs";

const PROGRAMS = ["buildah", "podman", "runc", "mmdebstrap", "iptables"];

const HELP = `npm run image

Builds the image with buildah and looks into it: size, user, packages, bill of materials. Then
runs docker-compose.yml with it on podman, as root, and the journey through its gateway.
Images that are not on this machine are made of Debian's packages.

  apt-get install --no-install-recommends ${PROGRAMS.join(" ")} containernetworking-plugins conmon`;

await command(HELP, async (args) => {
  checkNode();
  const missing = PROGRAMS.filter((program) => spawnSync(program, ["--version"]).error);
  if (missing.length > 0 || process.getuid?.() !== 0) {
    const why = missing.length > 0 ? `there is no ${missing.join(", ")} here` : "it needs root";
    console.log(`image: SKIPPED, nothing was built or run: ${why} (npm run image -- --help).`);
    return 3;
  }
  await ensurePackages(console.log);
  return handOver("dev/run/image.ts", args);
});
