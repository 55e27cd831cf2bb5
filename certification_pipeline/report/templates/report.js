(function () {
  "use strict";
  document.documentElement.classList.add("js");
  var text = document.getElementById("filter-text");
  var outcome = document.getElementById("filter-outcome");
  var engine = document.getElementById("filter-engine");
  var count = document.getElementById("filter-count");
  var groups = Array.prototype.slice.call(document.querySelectorAll("tbody.cells"));
  function apply() {
    var words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0, total = 0;
    groups.forEach(function (group) {
      var any = false;
      var head = group.id.toLowerCase();
      Array.prototype.forEach.call(group.rows, function (row) {
        if (row.className === "group") return;
        total += 1;
        var content = head + " " + row.textContent.toLowerCase();
        var ok = (!outcome.value || row.className === outcome.value) &&
          (!engine.value || group.dataset.engine === engine.value) &&
          words.every(function (word) { return content.indexOf(word) >= 0; });
        row.hidden = !ok;
        if (ok) { any = true; shown += 1; }
      });
      group.hidden = !any;
    });
    count.textContent = shown + " of " + total + " cells";
  }
  [text, outcome, engine].forEach(function (control) { control.addEventListener("input", apply); });
  window.addEventListener("hashchange", function () {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.hidden) {
      text.value = ""; outcome.value = ""; engine.value = ""; apply(); target.scrollIntoView();
    }
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (item) { item.open = true; });
  });
  apply();
})();
