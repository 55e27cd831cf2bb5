(function () {
  "use strict";
  document.documentElement.classList.add("js");
  function all(selector, inside) { return Array.prototype.slice.call((inside || document).querySelectorAll(selector)); }
  function key(cell) { return cell.dataset.sort === undefined ? cell.textContent.trim().toLowerCase() : cell.dataset.sort; }

  /* Sorting: a button in every heading; a click again turns the order round. Rows that are equal stay as they were. */
  all("table.sortable").forEach(function (table) {
    all("thead th", table).forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        all("thead th", table).forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        var body = table.tBodies[0];
        var rows = Array.prototype.slice.call(body.rows).map(function (row, at) { return { row: row, at: at, key: key(row.cells[column]) }; });
        rows.sort(function (a, b) {
          var order = a.key.localeCompare(b.key, "en", { numeric: true });
          return (down ? -order : order) || a.at - b.at;
        });
        rows.forEach(function (each) { body.appendChild(each.row); });
      });
    });
  });

  /* Filtering: one bar over both tables. */
  var text = document.getElementById("filter-text");
  var engine = document.getElementById("filter-engine");
  var outcome = document.getElementById("filter-outcome");
  var strategy = document.getElementById("filter-strategy");
  var count = document.getElementById("filter-count");
  var controls = [text, engine, outcome, strategy];
  function apply() {
    var words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    var told = [];
    all("table.sortable").forEach(function (table) {
      var rows = Array.prototype.slice.call(table.tBodies[0].rows), shown = 0;
      rows.forEach(function (row) {
        var content = row.dataset.words;
        var ok = (!engine.value || row.dataset.engine === engine.value) &&
          (!outcome.value || row.dataset.outcomes.split(" ").indexOf(outcome.value) >= 0) &&
          (!strategy.value || row.dataset.strategies.split(" ").indexOf(strategy.value) >= 0) &&
          words.every(function (word) { return content.indexOf(word) >= 0; });
        row.hidden = !ok;
        if (ok) { shown += 1; }
      });
      document.getElementById(table.id + "-none").hidden = shown > 0;
      told.push(shown + " of " + rows.length + " " + table.dataset.what);
    });
    count.textContent = told.join(", ");
  }
  controls.forEach(function (control) { control.addEventListener("input", apply); });

  /* A field that was chosen leads to its worst route: shown whatever is filtered, and unfolded. */
  function arrive() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || target.tagName !== "TR") { return; }
    if (target.hidden) { controls.forEach(function (control) { control.value = ""; }); apply(); }
    all("details", target).forEach(function (item) { item.open = true; });
    target.scrollIntoView({ block: "start" });
  }
  window.addEventListener("hashchange", arrive);

  /* What was good until a day that has passed is no longer green, whatever this page was drawn as. */
  var now = Date.now(), expired = 0;
  all("[data-until]").forEach(function (item) {
    if (!item.dataset.until || Date.parse(item.dataset.until) > now) { return; }
    item.classList.add("expired");
    expired += item.classList.contains("subject") ? 1 : 0;
    all(".until", item).forEach(function (word) { word.textContent = "expired " + item.dataset.until.slice(0, 10); });
    all(".verdict", item).forEach(function (badge) { badge.textContent = "– expired, was: " + badge.textContent.trim(); badge.className = "badge verdict untested"; });
  });
  var notice = document.getElementById("expired");
  if (expired) { notice.hidden = false; }
  window.addEventListener("beforeprint", function () { all("details").forEach(function (item) { item.open = true; }); });
  apply();
  arrive();
})();
