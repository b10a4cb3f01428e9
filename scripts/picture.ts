// Draws the demo as it ran: records `cordon demo` with its colours and times and writes docs/images/demo-{dark,light}.svg, in which each
// line appears when it did. No browser, no font that has to be fetched. `node scripts/picture.ts`
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '..');
const CHARACTER = 8.4;
const LINE = 20;
const MARGIN = 24;
const COLUMNS = 118;

interface Theme {
  readonly name: string;
  readonly background: string;
  readonly text: string;
  readonly colours: Readonly<Record<string, string>>;
}

const THEMES: readonly Theme[] = [
  { name: 'dark', background: '#0d1117', text: '#e6edf3', colours: { 31: '#ff7b72', 32: '#3fb950', 33: '#d29922' } },
  { name: 'light', background: '#ffffff', text: '#1f2328', colours: { 31: '#cf222e', 32: '#1a7f37', 33: '#9a6700' } },
];

interface Line {
  readonly atMs: number;
  readonly text: string;
}

async function record(): Promise<readonly Line[]> {
  const data = await mkdtemp(join(tmpdir(), 'cordon-picture-'));
  const started = performance.now();
  const lines: Line[] = [{ atMs: 0, text: '\u001b[2m$ npm start\u001b[22m' }];
  const child = spawn(process.execPath, [join(ROOT, 'src/cli/main.ts'), 'demo', '--no-stay', '--data', join(data, 'demo')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CLICOLOR_FORCE: '1', COLUMNS: String(COLUMNS) },
  });
  createInterface({ input: child.stdout }).on('line', (text) => lines.push({ atMs: performance.now() - started, text }));
  const [code] = (await once(child, 'close')) as [number | null];
  await rm(data, { recursive: true, force: true });
  if (code !== 0) throw new Error(`the demo ended with ${code}`);
  return lines;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** One line with its SGR codes as text spans. */
function spans(line: string, theme: Theme): string {
  let style = { bold: false, dim: false, colour: '' };
  return line
    .split(/(\u001b\[[\d;]*m)/)
    .map((part) => {
      const code = /^\u001b\[([\d;]*)m$/.exec(part)?.[1];
      if (code !== undefined) {
        for (const one of code.split(';')) style = styled(style, one);
        return '';
      }
      if (part === '') return '';
      const fill = theme.colours[style.colour] ?? theme.text;
      const more = `${style.bold ? ' font-weight="700"' : ''}${style.dim ? ' opacity="0.62"' : ''}`;
      return `<tspan fill="${fill}"${more}>${escaped(part)}</tspan>`;
    })
    .join('');
}

function styled(style: { bold: boolean; dim: boolean; colour: string }, code: string): typeof style {
  if (code === '1') return { ...style, bold: true };
  if (code === '2') return { ...style, dim: true };
  if (code === '22') return { ...style, bold: false, dim: false };
  if (code === '39') return { ...style, colour: '' };
  return code === '0' || code === '' ? { bold: false, dim: false, colour: '' } : { ...style, colour: code };
}

function draw(lines: readonly Line[], theme: Theme): string {
  const width = Math.round(COLUMNS * CHARACTER + 2 * MARGIN);
  const height = lines.length * LINE + 2 * MARGIN;
  const body = lines.map(({ text, atMs }, index) => {
    const y = MARGIN + (index + 0.75) * LINE;
    return `<text xml:space="preserve" x="${MARGIN}" y="${y}" style="animation-delay:${(atMs / 1000).toFixed(2)}s">${spans(text, theme)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="cordon demo in a terminal">
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;animation:on .01s both}@keyframes on{from{visibility:hidden}to{visibility:visible}}@media (prefers-reduced-motion:reduce){text{animation:none}}</style>
<rect width="100%" height="100%" rx="10" fill="${theme.background}"/>
${body.join('\n')}
</svg>
`;
}

const lines = await record();
for (const theme of THEMES) await writeFile(join(ROOT, 'docs', 'images', `demo-${theme.name}.svg`), draw(lines, theme));
process.stdout.write(
  `v docs/images/demo-dark.svg, demo-light.svg: ${lines.length} lines, ${((lines.at(-1)?.atMs ?? 0) / 1000).toFixed(1)} s\n`,
);
