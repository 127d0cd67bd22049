import type { AppointmentPatch, AppointmentStatus } from "@medvault/contracts";
import { expect, test } from "vitest";
import { type Appointment, amend, isPatientsChange, verbOf } from "./appointment.ts";

const NOW = new Date("2026-11-01T00:00:00Z");
const appointment = (status: AppointmentStatus, fields: Partial<Appointment> = {}): Appointment => ({
  id: "1",
  patientId: "2",
  doctorId: "3",
  startsAt: new Date("2026-12-01T09:00:00Z"),
  endsAt: new Date("2026-12-01T09:30:00Z"),
  reason: "Cough",
  status,
  changeReason: null,
  outsideHours: false,
  createdBy: "4",
  updatedBy: "4",
  createdAt: NOW,
  updatedAt: NOW,
  rev: 1,
  source: null,
  ...fields,
});
const ALL: AppointmentStatus[] = ["requested", "booked", "arrived", "fulfilled", "cancelled", "noshow"];
const WAYS: Record<AppointmentStatus, AppointmentStatus[]> = {
  requested: ["requested", "booked", "cancelled"],
  booked: ["booked", "arrived", "fulfilled", "noshow", "cancelled"],
  arrived: ["arrived", "fulfilled", "cancelled"],
  noshow: ["arrived"],
  fulfilled: [],
  cancelled: [],
};
const refused = expect.objectContaining({ code: "invalid_transition" });

test.each(ALL)("from %s there is the way to some statuses, and no other", (from) => {
  for (const status of ALL) {
    const go = () => amend(appointment(from), { status }, NOW).status;
    if (WAYS[from].includes(status)) expect(go(), status).toBe(status);
    else expect(go, status).toThrow(refused);
  }
});

test("what has not begun can be moved, what is over cannot, and nothing ends before it begins", () => {
  const later = { startsAt: "2026-12-02T09:00:00Z", endsAt: "2026-12-02T09:30:00Z" };
  for (const status of ["requested", "booked"] as const)
    expect(amend(appointment(status), later, NOW)).toMatchObject({
      startsAt: new Date(later.startsAt),
      rev: 2,
    });
  for (const status of ["arrived", "fulfilled", "cancelled", "noshow"] as const)
    expect(() => amend(appointment(status), later, NOW), status).toThrow(refused);
  const backwards = () => amend(appointment("booked"), { startsAt: "2026-12-01T09:30:00Z" }, NOW);
  expect(backwards).toThrow(expect.objectContaining({ code: "invalid_input" }));
  const tooLong = () => amend(appointment("booked"), { endsAt: "2026-12-02T09:00:01Z" }, NOW);
  expect(tooLong).toThrow(expect.objectContaining({ code: "invalid_input" }));
});

test("the reason of a change is not taken for that of the next one", () => {
  const moved = amend(
    appointment("booked"),
    { startsAt: "2026-12-01T08:00:00Z", changeReason: "Asked for it" },
    NOW,
  );
  expect(moved.changeReason).toBe("Asked for it");
  expect(amend(moved, { reason: "Cough, fever" }, NOW).changeReason).toBe("Asked for it");
  expect(amend(moved, { status: "arrived" }, NOW).changeReason).toBeNull();
});

test("a patient cancels what has not begun, and changes nothing else", () => {
  const booked = appointment("booked");
  const patches: [AppointmentPatch, boolean][] = [
    [{ status: "cancelled" }, true],
    [{ status: "cancelled", changeReason: "I feel well" }, true],
    [{ status: "cancelled", reason: "x" }, false],
    [{ status: "booked" }, false],
    [{ reason: "x" }, false],
    [{}, false],
  ];
  for (const [patch, may] of patches) expect(isPatientsChange(booked, patch, NOW)).toBe(may);
  expect(isPatientsChange(booked, { status: "cancelled" }, booked.startsAt)).toBe(false);
});

test("events say what was done", () => {
  const done: [AppointmentPatch, string][] = [
    [{ reason: "x" }, "updated"],
    [{ startsAt: "2026-12-01T08:00:00Z" }, "rescheduled"],
    [{ doctorId: "9" }, "rescheduled"],
    [{ status: "booked" }, "booked"],
    [{ status: "cancelled" }, "cancelled"],
    [{ status: "noshow" }, "missed"],
  ];
  for (const [patch, verb] of done) expect(verbOf(patch)).toBe(verb);
});
