#!/usr/bin/env node
// Checks the whole audit log, away from MedVault: this file and libs/log-verifier, for Node 20 or newer, nothing to
// install, and no code shared with the service that writes the log.
import { run } from "../libs/log-verifier/src/node/command.mjs";

process.exitCode = await run(process.argv.slice(2), process.env);
