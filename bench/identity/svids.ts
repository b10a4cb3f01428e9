// What an X509-SVID costs beside the one signature in it.
import { createPrivateKey, sign } from 'node:crypto';
import { randomSerial } from '../../src/crypto/random.ts';
import { generateKeyPem } from '../../src/crypto/x509.ts';
import { subjectKey } from '../../src/crypto/x509-leaf.ts';
import { parseTrustDomain, workloadId } from '../../src/domain/spiffe-id.ts';
import { authorityOf, createIntermediate, createRoot } from '../../src/identity/authority.ts';
import { issueSvid } from '../../src/identity/issue.ts';
import { measure } from '../loop.ts';
import type { BenchOptions, Report } from '../row.ts';
import { interleave, type Subject } from '../rounds.ts';

const MAX = 200_000;
const TTL = 900_000;
/** About what of a leaf is signed. Bytes. */
const SIGNED_BYTES = 420;

/** `raw signature`: ECDSA P-256 with SHA-256 by node:crypto, key kept, nothing else. `SVID`: signed, read back, as PEM with its chain. */
export async function svids({ quick }: BenchOptions): Promise<Report> {
  const trustDomain = parseTrustDomain('bench.example');
  const now = Date.now();
  const options = { trustDomain, now, serial: randomSerial };
  const root = await createRoot(options);
  const intermediate = await createIntermediate(root, options);
  const authority = authorityOf(trustDomain, [root.certificate], intermediate);
  const publicKey = subjectKey((await generateKeyPem()).publicKey);
  const id = workloadId(trustDomain, 'agent', 'researcher', 'ABCDEFGHJKMN');
  const key = createPrivateKey(intermediate.privateKey);
  const bytes = Buffer.alloc(SIGNED_BYTES, 1);
  const subject = (name: string, operate: () => void, over?: string): Subject => ({
    name,
    ...(over === undefined ? {} : { over }),
    run: () => measure({ ms: quick ? 200 : 1500, max: MAX, operate }),
  });
  const issue = (): void => void issueSvid(authority, { id, publicKey, now, ttl: TTL, serial: randomSerial() });
  if (!quick) await subject('warm', issue).run();
  return interleave({
    bench: 'identity',
    case: 'X509-SVID',
    rounds: quick ? 2 : 7,
    subjects: [subject('SVID', issue, 'raw signature'), subject('raw signature', () => void sign('sha256', bytes, key))],
    says: [
      {
        subject: 'SVID',
        figure: 'cpu_us',
        text: (ratio) => `an X509-SVID costs ${ratio} the CPU of its one signature (wanted: at most 4)`,
      },
    ],
  });
}
