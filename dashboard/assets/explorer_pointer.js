// The pointer over the figure: what lies beneath it is told, and a click on it leads to its architecture.

((explorer) => {
    const REACH = 14;
    const STILL = 4;

    function lines(state, row) {
        const { points, start } = state;
        const { latency_ms, latency_low_ms, latency_high_ms, latency_measured_ms } = points.columns;
        const { quantities } = start;
        const value = (name) => points.values(name)[row];
        const told = [
            `${points.digest(row)}, evaluation ${explorer.groups(points.columns.seq[row])}`,
            `${points.fidelity(row) === "finetuned" ? "fine-tuned" : "inherited weights"}, ${points.state(row)}`,
            `validation loss ${explorer.text("loss", value("val_loss"))}`,
            `latency ${explorer.interval(latency_ms[row], latency_low_ms[row], latency_high_ms[row])} ms, predicted`,
        ];
        if (points.measured(row)) {
            told.push(`latency ${explorer.text("latency", latency_measured_ms[row])} ms, measured`);
        }
        for (const name of ["param_count", "peak_memory_bytes"]) {
            told.push(`${quantities[name].label.toLowerCase()} ${explorer.text(quantities[name].kind, value(name))}`);
        }
        return told.join("\n");
    }

    // Where the pointer is on the figure, null where that is not among its points.
    function at(state, event) {
        const box = state.gd.getBoundingClientRect();
        return event.target.closest(".nsewdrag") ? { x: event.clientX - box.x, y: event.clientY - box.y } : null;
    }

    function hide() {
        document.getElementById("explorer-hover").hidden = true;
    }

    function show(state, event, place) {
        const hover = document.getElementById("explorer-hover");
        const row = place && state.axes ? explorer.nearest(state, place.x, place.y, REACH) : -1;
        hover.hidden = row < 0;
        state.gd.classList.toggle("explorer-over-point", row >= 0);
        if (row >= 0) {
            hover.textContent = lines(state, row);
            const right = event.clientX > window.innerWidth / 2;
            hover.style.left = right ? "" : `${event.clientX + 14}px`;
            hover.style.right = right ? `${window.innerWidth - event.clientX + 14}px` : "";
            hover.style.top = `${event.clientY + 14}px`;
        }
    }

    // Listens on the figure; a press that moves is a zoom or a brush, and plotly's.
    function follow(state) {
        let pressed = null;
        state.gd.addEventListener("pointermove", (event) => {
            window.requestAnimationFrame(() => show(state, event, at(state, event)));
        });
        state.gd.addEventListener("pointerleave", hide);
        state.gd.addEventListener("pointerdown", (event) => {
            pressed = at(state, event) && { x: event.clientX, y: event.clientY };
            state.pressedAt = event.timeStamp;
        }, true);
        window.addEventListener("pointerup", (event) => {
            const still = pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < STILL;
            pressed = null;
            if (!still || !document.contains(state.gd)) {
                return;
            }
            const box = state.gd.getBoundingClientRect();
            const row = explorer.nearest(state, event.clientX - box.x, event.clientY - box.y, REACH);
            if (row >= 0) {
                hide();
                explorer.set("shell-location", { href: explorer.architectureHref(state, state.points.digest(row)) });
            }
        }, { signal: state.ended.signal });
    }

    Object.assign(explorer, { follow });
})((window.frontierExplorer ||= {}));
