// A process that fetches its X.509-SVID from the socket of its argument, or the one that its launcher names, prints its SPIFFE ID, and goes
// when its standard input ends.
import type { X509SvidReply } from '../../src/control/workload/messages.ts';
import { WorkloadClient } from './workload-client.ts';

const client = new WorkloadClient(process.argv[2] ?? process.env['SPIFFE_ENDPOINT_SOCKET']?.slice('unix://'.length) ?? '');
const { svids } = await client.stream<X509SvidReply>('FetchX509SVID').next();
process.stdout.write(`${svids[0]?.spiffe_id}\n`);
process.stdin.on('end', () => process.exit()).resume();
