import type { AuditEventView } from "@medvault/contracts";
import { VERSION } from "@medvault/service-kit";
import { type Activity, activityOf, verbOf } from "./activity.ts";
import type { ExportEnd } from "./format.ts";
import { oneLine, present } from "./text.ts";

/** The version of the Open Cybersecurity Schema Framework that exports are made and tested by. */
export const OCSF_VERSION = "1.8.0";
const [APPLICATION_ACTIVITY, API_ACTIVITY] = [6, 6003];
const ACTIVITIES: Readonly<Record<Activity, number>> = {
  create: 1,
  read: 2,
  update: 3,
  delete: 4,
  other: 99,
};
const [INFORMATIONAL, LOW, MEDIUM, HIGH] = [1, 2, 3, 4];
const SEVERITIES = { success: INFORMATIONAL, failure: LOW, denied: MEDIUM } as const;
const [UNKNOWN, SUCCESS, FAILURE] = [0, 1, 2];
const STATUSES = ["Unknown", "Success", "Failure"];
/** Of user.type_id: none of its kinds, but the role in `type`. */
const OTHER = 99;

/** An entry as an event of the class API Activity. */
export function ocsfEvent(event: AuditEventView): object {
  const activity = activityOf(event);
  const { outcome, actor } = event;
  const status = outcome === "success" ? SUCCESS : outcome === null ? UNKNOWN : FAILURE;
  return {
    ...head(ACTIVITIES[activity], Date.parse(event.time)),
    ...(activity === "other" ? { activity_name: verbOf(event.type) } : {}),
    severity_id: outcome ? SEVERITIES[outcome] : HIGH,
    status_id: status,
    status: STATUSES[status],
    ...present({ status_code: outcome, status_detail: oneLine(event.decision?.reason ?? null) }),
    metadata: {
      ...METADATA,
      uid: event.id,
      sequence: event.index,
      event_code: event.type,
      original_time: event.time,
      ...present({ correlation_uid: oneLine(event.requestId) }),
    },
    actor: actor
      ? {
          user: { uid: actor.id, type: actor.role, type_id: OTHER, ...present({ name: actor.name ?? null }) },
          ...(actor.sessionId ? { session: { uid: actor.sessionId } } : {}),
        }
      : { app_name: event.producer },
    api: { operation: event.action ?? event.type, service: { name: event.producer } },
    src_endpoint: event.ip ? { ip: event.ip } : { svc_name: event.producer },
    resources: [
      ...(event.subject ? [{ name: event.subject, type: event.subject.split("/")[0] }] : []),
      ...event.patientIds.map((uid) => ({ uid, type: "patient" })),
    ],
    unmapped: present({
      purpose: event.purpose,
      user_agent: event.userAgent,
      fields: event.fields,
      details: event.details,
      damaged: event.damaged,
    }),
  };
}

/** Where the export ended, as an event of its own. */
export function ocsfEnd({ first, end, count, time, filter, checkpoint, proof }: ExportEnd): object {
  return {
    ...head(ACTIVITIES.read, time.getTime()),
    severity_id: INFORMATIONAL,
    status_id: SUCCESS,
    status: STATUSES[SUCCESS],
    message: `Here ends an export of ${count} of the entries ${first} to ${end - 1}.`,
    metadata: { ...METADATA, event_code: "medvault.audit.export.end" },
    actor: { app_name: "audit" },
    api: { operation: "export end", service: { name: "audit" } },
    src_endpoint: { svc_name: "audit" },
    unmapped: { first, end, count, filter, checkpoint, proof },
  };
}

const METADATA = {
  version: OCSF_VERSION,
  product: { name: "MedVault", vendor_name: "MedVault", version: VERSION },
  log_name: "audit",
};

const head = (activity: number, time: number) => ({
  category_uid: APPLICATION_ACTIVITY,
  class_uid: API_ACTIVITY,
  class_name: "API Activity",
  activity_id: activity,
  type_uid: API_ACTIVITY * 100 + activity,
  time,
});
