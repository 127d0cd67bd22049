import { type Actor, auditEvent, type NewEvent, type Role } from "@medvault/contracts";
import type { RestoreTask } from "./restore.ts";

const ENDED = { restore: "restored", preview: "restore_previewed" } as const;

/** The job's events name who asked for the restore, under the id of that request. */
export function restoredEvent(task: RestoreTask, details: Record<string, string | number | null>): NewEvent {
  return eventOf(task, { type: `medvault.backup.backup.${ENDED[task.kind]}.v1`, details });
}

/** `refused`: the backup is wrong or does not fit. Nothing was changed either way. */
export function failedEvent(task: RestoreTask, reason: string, refused: boolean): NewEvent {
  const verb = refused ? "refused" : ENDED[task.kind];
  return eventOf(task, { type: `medvault.backup.backup.${verb}.v1`, outcome: "failure", reason });
}

function eventOf(
  task: RestoreTask,
  event: {
    type: string;
    outcome?: "failure";
    reason?: string;
    details?: Record<string, string | number | null>;
  },
): NewEvent {
  const made = auditEvent(requesterOf(task), {
    ...event,
    subject: `backup/${task.backupId}`,
    action: "backup:restore",
    details: { ...event.details, restoreId: task.id },
  });
  // Where they asked from stands in the event of their request.
  return { ...made, requestId: task.requestId, data: { ...made.data, from: null } };
}

/** Who asked for it, as far as the job knows them. */
export function requesterOf(task: RestoreTask): Actor {
  return {
    id: task.requestedBy,
    role: task.requestedRole as Role,
    sessionId: null,
    permissions: new Set(),
    authTime: 0,
    amr: [],
    ip: "",
    userAgent: "",
    requestId: task.requestId ?? "",
    purpose: null,
    traceparent: task.traceparent,
  };
}
