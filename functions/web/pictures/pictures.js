/** Draw, drop or photograph something, and see what the bot's model of pictures takes it for; while one draws, too. */
const { name, languages } = JSON.parse(document.getElementById('texts').textContent);
const texts =
  navigator.languages
    .map((tag) => languages.find((one) => tag.toLowerCase().startsWith(one.tag.toLowerCase())))
    .find(Boolean) ?? languages[0];
const element = (id) => document.getElementById(id);
const paper = element('paper');
const pen = paper.getContext('2d', { willReadFrequently: true });
const { width, height } = paper;

/** How often it is asked while one draws, at least so many milliseconds apart: the page of one person may ask 300 times a minute. */
const PAUSE_MS = 400;
/** Pixels of the longer side of a photograph that is sent, and bytes that one may have. */
const SIDE = 512;
const BYTES = 60_000;
/** Of the pen, and of a step of it by keyboard. */
const [THICK, STEP] = [12, 8];

document.documentElement.lang = texts.tag;
document.title = `${texts.title} · ${name}`;
for (const [id, text] of Object.entries({
  intro: texts.intro,
  keys: texts.keys,
  choose: texts.choose,
  take: texts.take,
  clear: texts.clear,
}))
  element(id).textContent = text;
paper.setAttribute('aria-label', texts.paper);
paper.setAttribute('aria-describedby', 'keys');

/** Where the pen is; `down`: it draws. */
const at = { x: width / 2, y: height / 2, down: false };
/** What is asked next: only the newest counts. */
let wanted = 0;
let asking = false;
let latest = null;

clear();

function clear() {
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, width, height);
  Object.assign(at, { x: width / 2, y: height / 2, down: false });
  latest = null;
  wanted += 1;
  element('answer').textContent = texts.empty;
  element('scores').replaceChildren();
}

function draw(x, y) {
  pen.strokeStyle = '#222';
  pen.lineWidth = THICK;
  pen.lineCap = 'round';
  pen.lineJoin = 'round';
  pen.beginPath();
  pen.moveTo(at.x, at.y);
  pen.lineTo(x, y);
  pen.stroke();
  at.x = x;
  at.y = y;
  ask(() => new Promise((resolve) => paper.toBlob(resolve, 'image/png')));
}

/** Asks with what `make` gives, once what is asked already is answered: of what comes meanwhile the newest. */
function ask(make) {
  latest = make;
  if (asking) return;
  asking = true;
  void (async () => {
    while (latest) {
      const next = latest;
      latest = null;
      wanted += 1;
      const own = wanted;
      const found = await look(await next());
      if (own === wanted) show(found);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    asking = false;
  })();
}

/** Null: it can't be said now. */
async function look(picture) {
  try {
    const response = await fetch('/api/pictures', {
      method: 'POST',
      headers: { 'content-type': picture.type },
      body: picture,
      signal: AbortSignal.timeout(15_000),
    });
    if (response.ok) return await response.json();
    return { problem: response.status === 429 ? texts.busy : response.status < 500 ? texts.unread : texts.lost };
  } catch {
    return { problem: texts.lost };
  }
}

function show({ problem, label, top }) {
  const answer = element('answer');
  const list = element('scores');
  if (problem) {
    answer.textContent = problem;
    list.replaceChildren();
    return;
  }
  const called = (one) => texts.names[one] ?? one;
  answer.textContent = label === 'none' ? texts.none : texts.looks.replace('{what}', called(label));
  list.replaceChildren(
    ...top.map(({ label: one, score }) => {
      const item = document.createElement('li');
      const meter = document.createElement('meter');
      meter.value = score;
      const word = document.createElement('span');
      word.textContent = called(one);
      meter.setAttribute('aria-label', called(one));
      const percent = document.createElement('span');
      percent.className = 'percent';
      percent.textContent = new Intl.NumberFormat(texts.tag, { style: 'percent' }).format(score);
      item.append(word, meter, percent);
      return item;
    }),
  );
}

/** A file of the user's: shown on the paper, and sent no larger than it must be, upright. */
async function take(file) {
  if (!file) return;
  clear();
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    element('answer').textContent = texts.unread;
    return;
  }
  const sized = (side) => {
    const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
    return [Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale))];
  };
  const [w, h] = sized(width);
  pen.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  const small = document.createElement('canvas');
  [small.width, small.height] = sized(SIDE);
  const context = small.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, small.width, small.height);
  context.drawImage(bitmap, 0, 0, small.width, small.height);
  ask(async () => {
    for (const quality of [0.85, 0.6, 0.35]) {
      const blob = await new Promise((resolve) => small.toBlob(resolve, 'image/jpeg', quality));
      if (blob.size <= BYTES || quality === 0.35) return blob;
    }
  });
}

const place = ({ clientX, clientY }) => {
  const box = paper.getBoundingClientRect();
  return [((clientX - box.left) * width) / box.width, ((clientY - box.top) * height) / box.height];
};
paper.addEventListener('pointerdown', (event) => {
  paper.setPointerCapture(event.pointerId);
  [at.x, at.y] = place(event);
  at.down = true;
  draw(at.x, at.y);
});
paper.addEventListener('pointermove', (event) => {
  if (at.down && event.buttons > 0) draw(...place(event));
});
for (const end of ['pointerup', 'pointercancel']) paper.addEventListener(end, () => (at.down = false));
paper.addEventListener('keydown', (event) => {
  const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
  if (event.key === ' ') {
    event.preventDefault();
    at.down = !at.down;
    if (at.down) draw(at.x, at.y);
    element('keys').textContent = at.down ? texts.down : texts.keys;
    return;
  }
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  const [x, y] = [Math.min(width, Math.max(0, at.x + move[0])), Math.min(height, Math.max(0, at.y + move[1]))];
  if (at.down) draw(x, y);
  else Object.assign(at, { x, y });
});
element('clear').addEventListener('click', () => {
  clear();
  element('keys').textContent = texts.keys;
});
for (const id of ['file', 'camera'])
  element(id).addEventListener('change', (event) => {
    void take(event.target.files[0]);
    event.target.value = '';
  });
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  void take(event.dataTransfer.files[0]);
});
document.addEventListener('paste', (event) => void take(event.clipboardData.files[0]));
