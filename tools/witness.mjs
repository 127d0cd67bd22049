#!/usr/bin/env node
// A witness of audit logs, away from MedVault: this file and libs/log-verifier, for Node 20 or
// newer, nothing to install.
import { run } from "../libs/log-verifier/src/witness/command.mjs";

process.exitCode = await run(process.argv.slice(2));
