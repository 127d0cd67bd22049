/**
 * Events that alert rules and dashboards ask for by name, with the outcomes that they may have:
 * their counters are there, as 0, from the start of a process. A test holds this list against
 * deploy/telemetry.
 */
export const WATCHED_EVENTS: readonly { readonly type: string; readonly outcome: string }[] = [
  ...denied("auth.login.failed", "auth.mfa.failed", "auth.step-up.failed", "auth.password.failed"),
  ...denied("auth.login.refused", "auth.account.locked", "auth.mfa.bypass-attempted"),
  ...denied("auth.session.address-changed", "auth.session.agent-changed", "auth.session.limit-reached"),
  ...denied("auth.refresh.denied", "auth.request.denied"),
  ...succeeded("auth.session.address-changed", "auth.session.agent-changed", "auth.session.limit-reached"),
  ...succeeded("auth.session.started", "auth.session.ended", "auth.device.new", "auth.recovery-code.used"),
  ...denied("records.request.denied", "files.file.denied", "audit.request.denied", "backup.backup.denied"),
  ...succeeded("records.patient.unmasked", "records.patient.erased", "records.fhir.exported"),
];

function denied(...names: readonly string[]) {
  return names.map((name) => ({ type: `medvault.${name}.v1`, outcome: "denied" }));
}

function succeeded(...names: readonly string[]) {
  return names.map((name) => ({ type: `medvault.${name}.v1`, outcome: "success" }));
}
