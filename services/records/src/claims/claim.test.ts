import type { ClaimStatus } from "@medvault/contracts";
import { expect, test } from "vitest";
import { amend, type Claim, type Step, take } from "./claim.ts";

const NOW = new Date("2026-01-01T00:00:00Z");
const claim = (status: ClaimStatus): Claim => ({
  id: "1",
  patientId: "2",
  providerId: "3",
  createdBy: "4",
  updatedBy: null,
  status,
  createdAt: NOW,
  updatedAt: NOW,
  rev: 1,
  diagnosisCode: "E11.9",
  diagnosisCoding: null,
  diagnosis: "Type 2 diabetes",
  treatment: "Metformin",
  amount: 1,
  currency: "EUR",
  reason: null,
  source: null,
});
const STATUSES: ClaimStatus[] = ["draft", "submitted", "approved", "rejected", "paid"];
const WAYS = {
  submit: "draft>submitted",
  approve: "submitted>approved",
  reject: "submitted>rejected",
  pay: "approved>paid",
};

test.each(Object.entries(WAYS))("%s goes %s and no other way", (step, way) => {
  for (const status of STATUSES) {
    const go = () => take(step as Step, claim(status), null, NOW).status;
    if (way.startsWith(`${status}>`)) expect(go()).toBe(way.split(">")[1]);
    else expect(go).toThrow(expect.objectContaining({ code: "invalid_transition" }));
  }
});

test("a reason that is given is kept, and one that is not leaves the former", () => {
  const rejected = take("reject", { ...claim("submitted"), reason: "first" }, null, NOW);
  expect(rejected.reason).toBe("first");
  expect(take("reject", claim("submitted"), "no cover", NOW).reason).toBe("no cover");
});

test("only a draft can be changed", () => {
  expect(amend(claim("draft"), { amount: 5 }, NOW).amount).toBe(5);
  expect(() => amend(claim("paid"), { amount: 5 }, NOW)).toThrow(
    expect.objectContaining({ code: "invalid_transition" }),
  );
});
