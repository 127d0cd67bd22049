import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { inject } from "vitest";
import { type Client, signIn } from "./client.ts";
import { demoAdmin, invite } from "./people.ts";
import type { Ops } from "./system.ts";

interface Admin {
  client: Client;
  password: string;
  totpSecret: string;
}

/**
 * An admin, signed in just now: good for what needs a step-up. MedVault takes each code of an
 * authenticator once, so that files which share one admin would wait up to 30 s each: the first
 * has the admin that the first start made, and each invites the one of the next.
 */
export async function freshAdmin(ops: Ops, fetchFrom?: typeof fetch): Promise<Admin> {
  const file = path.join(inject("nextAdmins"), new URL(ops.gateway).port);
  const admin = existsSync(file) ? await invited(file, ops, fetchFrom) : await demoAdmin(ops, fetchFrom);
  const { username, password, totpSecret } = await invite(ops, admin.client, "admin", fetchFrom);
  writeFileSync(file, JSON.stringify({ username, password, totpSecret }), { mode: 0o600 });
  return admin;
}

async function invited(file: string, ops: Ops, fetchFrom?: typeof fetch): Promise<Admin> {
  const { username, password, totpSecret } = JSON.parse(readFileSync(file, "utf8"));
  rmSync(file);
  const client = await signIn(ops.gateway, { username, password, totpSecret }, fetchFrom);
  return { client, password, totpSecret };
}
