// An HTTP API that answers the gateway alone: a process with an SVID. It says what it was told of the caller.
import { connect } from '../../src/sdk/index.ts';

const [port = '0'] = process.argv.slice(2);
const cordon = await connect();
const served = await cordon.serve(
  (req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ url: req.url, txn: req.headers['txn-token'] ?? null, authorization: req.headers.authorization ?? null }));
  },
  { host: '127.0.0.1', port: Number(port) },
);
process.stdout.write(`${JSON.stringify({ ready: true, port: served.port })}\n`);
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
