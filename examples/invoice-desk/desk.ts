// The invoice desk, for whoever runs it: its documents, its books, its processes, and the truth afterwards.
export { loadInbox, type Inbox, type Invoice } from './documents/inbox.ts';
export type { Vendor } from './documents/vendors.ts';
export { assess, type Assessment } from './assess.ts';
export type { Attack, DeskEvent } from './events.ts';
export {
  AGENTS,
  DEFAULT_PORTS,
  RESOURCES,
  processes,
  type DeskProcess,
  type Mode,
  type ProcessName,
  type ProcessOptions,
} from './processes.ts';
export { startDesk, type Protection, type RunOptions, type RunResult, type RunningDesk } from './running.ts';
export { seed } from './servers/state.ts';
export { inboxServer } from './wire.ts';
