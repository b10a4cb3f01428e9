// The desk's `cordon.yaml`: who is there, in which segment, and what is on record about vendors. Written anew for every run, because
// ports are chosen free; everything else is what one would write by hand.
import { stringify } from 'yaml';
import { inboxServer, type Inbox, type ProcessName } from '../desk.ts';
import { sameVendor } from '../documents/vendors.ts';

export interface DeskPorts {
  readonly gateway: number;
  readonly control: number;
  readonly identity: number;
  readonly processes: Readonly<Record<ProcessName, number>>;
}

/** What the official filesystem server offers that changes nothing; the operator says so, not the server. */
const INBOX_READS = [
  'read_text_file',
  'read_file',
  'read_multiple_files',
  'list_directory',
  'list_directory_with_sizes',
  'directory_tree',
  'search_files',
  'get_file_info',
  'list_allowed_directories',
];

export function deskConfig(ports: DeskPorts, inbox: Inbox, inboxDir: string, policies: string): string {
  const at = (port: number): string => `127.0.0.1:${port}`;
  const agent = (name: 'orchestrator' | 'researcher' | 'clerk', segment: string, purpose: string): object => ({
    segment,
    owner: 'desk-team',
    purpose,
    a2a: `https://${at(ports.processes[name])}/`,
  });
  const server = (name: 'ledger' | 'mail' | 'payroll'): object => ({ url: `https://${at(ports.processes[name])}/mcp` });
  return stringify({
    trustDomain: 'desk.example',
    listen: { gateway: at(ports.gateway), control: at(ports.control), identity: at(ports.identity) },
    segments: {
      front: { links: ['reading', 'finance'] },
      reading: { links: [] },
      finance: { links: ['outbound'] },
      outbound: { links: [] },
      people: { links: [] },
    },
    agents: {
      orchestrator: agent('orchestrator', 'front', 'drives each invoice from the inbox to the books'),
      researcher: agent('researcher', 'reading', 'reads invoices'),
      clerk: agent('clerk', 'finance', 'pays invoices and advises vendors'),
    },
    resources: {
      inbox: { segment: 'reading', mcp: { stdio: inboxServer(inboxDir) }, reads: INBOX_READS },
      ledger: {
        segment: 'finance',
        mcp: { ...server('ledger'), credential: { secret: { env: 'DESK_LEDGER_KEY' } } },
        reads: ['get_vendor', 'list_vendors', 'watch_payments'],
        tags: accountsOnRecord(inbox),
      },
      mail: { segment: 'outbound', mcp: server('mail'), tags: addressesOnRecord(inbox) },
      payroll: { segment: 'people', mcp: server('payroll'), reads: ['list_salaries'] },
    },
    policies,
  });
}

/** The account of each vendor, under its name on record and under the name that its letterhead shows. */
function accountsOnRecord({ vendors, invoices }: Inbox): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const { name, iban } of vendors) {
    for (const { vendor } of invoices) if (sameVendor(name, vendor)) tags[vendor] = iban;
    tags[name] = iban;
  }
  return tags;
}

const addressesOnRecord = ({ vendors }: Inbox): Record<string, string> =>
  Object.fromEntries(vendors.flatMap(({ name, email }) => (email === undefined ? [] : [[email, name]])));
