// Drives dynamodb-admin in Chromium as a person does, and writes what there was to be seen as JSON.
// Environment: ADMIN (dynamodb-admin's address), CHROMIUM (the browser), PROFILE (an empty folder).
const { chromium } = require('playwright-core');

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const { ADMIN, CHROMIUM, PROFILE } = process.env;

// The form's numbers leave the browser as strings, which the service refuses (aaronshaf/dynamodb-admin#518); this is what it would have to send.
async function sendNumbers(page) {
  await page.route('**/create-table', (route, request) => {
    if (request.method() !== 'POST') return route.continue();
    const body = request.postDataJSON();
    for (const name of ['ReadCapacityUnits', 'WriteCapacityUnits']) body.TableDefinition[name] = Number(body.TableDefinition[name]);
    return route.continue({ postData: JSON.stringify(body) });
  });
}

async function createTable(page, name, seen) {
  await page.goto(ADMIN);
  await page.click('text=Create table');
  await page.fill('#TableName', name);
  await page.fill('#HashAttributeName', 'author');
  await page.selectOption('select[name=HashAttributeType]', 'S');
  await page.fill('#RangeAttributeName', 'year');
  await page.selectOption('select[name=RangeAttributeType]', 'N');
  await page.click('#saveButton');
  await page.waitForSelector('#error-wrapper :text("cannot be")');
  seen.refused = (await page.textContent('#error-wrapper')).trim();
  await sendNumbers(page);
  await page.click('#saveButton');
  await page.waitForSelector(`a:has-text("${name}")`);
  await page.goto(`${ADMIN}/tables/${name}/meta`);
  while (!(await page.textContent('body')).includes('ACTIVE')) await page.reload();
}

// The editor is Ace: the page's own variable `editor`.
async function save(page, item) {
  await page.waitForFunction('typeof editor !== "undefined"');
  await page.evaluate(text => editor.setValue(text), JSON.stringify(item));
  await page.click('#saveButton');
}

async function addItem(page, name, item) {
  await page.goto(`${ADMIN}/tables/${name}`);
  await page.click('text=Create item');
  await save(page, item);
  await page.waitForURL('**/items/**');
}

// The rows of the list of items, each with the texts of its cells.
async function rows(page) {
  await page.waitForSelector('#table-placeholder', { state: 'hidden' });
  return page.$$eval('#items-container tr', found => found.map(row => [...row.cells].slice(1).map(cell => cell.innerText.trim())));
}

async function query(page, name, author) {
  await page.goto(`${ADMIN}/tables/${name}`);
  await rows(page);
  await page.selectOption('select[name=operationType]', 'query');
  await page.locator('#filters-table tr').filter({ has: page.locator('[readonly]') }).locator('.filter-row-value').fill(author);
  await page.click('button:has-text("Search")');
  await page.waitForURL('**operationType=query**');
  return rows(page);
}

(async () => {
  const context = await chromium.launchPersistentContext(PROFILE, { executablePath: CHROMIUM, args: FLAGS });
  const page = context.pages()[0] || await context.newPage();
  page.setDefaultTimeout(10000);
  const seen = { errors: [] };
  page.on('pageerror', error => seen.errors.push(String(error)));
  await page.goto(ADMIN);
  seen.tables = await page.$$eval('a[href^="/tables/"]', found => found.map(link => link.innerText));
  await createTable(page, 'books', seen);
  await addItem(page, 'books', { author: 'Han Kang', year: 2007, title: 'The Vegetarian', pages: 188, tags: ['novel'] });
  seen.item = JSON.parse(await page.evaluate('editor.getValue()'));
  await save(page, { ...seen.item, pages: 247, prizes: { booker: 2016 } });
  await page.waitForSelector('#saveButton.btn-success');
  await page.reload();
  seen.edited = JSON.parse(await page.evaluate('editor.getValue()'));
  await addItem(page, 'books', { author: 'Han Kang', year: 2014, title: 'Human Acts' });
  await addItem(page, 'books', { author: 'Bora Chung', year: 2017, title: 'Cursed Bunny' });
  await page.goto(`${ADMIN}/tables/books`);
  seen.scanned = (await rows(page)).length;
  seen.queried = await query(page, 'books', 'Han Kang');
  console.log(JSON.stringify(seen));
  await context.close();
})().catch(error => { console.error(error); process.exit(1); });
