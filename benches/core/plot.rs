//! The plot of cost per row over table size, as SVG written by hand: one panel per kind of key, the size on a logarithmic axis.

use std::fmt::Write;
use std::path::Path;

use crate::Outcome;

/// One line of a panel.
pub struct Curve {
    pub name: String,
    pub color: &'static str,
    /// A dashed line is of the bare table.
    pub is_dashed: bool,
    /// Table size and µs per row.
    pub points: Vec<(f64, f64)>,
}

pub struct Panel {
    pub title: String,
    pub curves: Vec<Curve>,
}

const PANEL_WIDTH: f64 = 440.0;
const PANEL_HEIGHT: f64 = 300.0;
/// Around the axes of a panel, for its title and labels.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 48.0;
/// Below all panels, for a row of the legend each.
const LEGEND_ROW: f64 = 20.0;
const LEGEND_COLUMNS: usize = 4;

/// Writes all panels side by side, with one legend for all.
pub fn write(path: &Path, title: &str, panels: &[Panel]) -> Outcome<()> {
    let legend = panels.first().map_or(&[][..], |panel| &panel.curves);
    let legend_rows = legend.len().div_ceil(LEGEND_COLUMNS);
    let width = PANEL_WIDTH * panels.len() as f64;
    let height = PANEL_HEIGHT + LEGEND_ROW * (legend_rows as f64 + 0.5);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        draw_panel(&mut svg, panel, PANEL_WIDTH * index as f64)?;
    }
    for (index, curve) in legend.iter().enumerate() {
        let x = LEFT + (index % LEGEND_COLUMNS) as f64 * (width - LEFT) / LEGEND_COLUMNS as f64;
        let y = PANEL_HEIGHT + LEGEND_ROW * ((index / LEGEND_COLUMNS) as f64 + 0.5);
        writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\" {2}/><text x=\"{3}\" y=\"{y}\">{4}</text>",
            y - 4.0,
            x + 26.0,
            stroke(curve),
            x + 32.0,
            curve.name
        )?;
    }
    svg.push_str("</svg>\n");
    Ok(std::fs::write(path, svg)?)
}

fn stroke(curve: &Curve) -> String {
    let dashes = if curve.is_dashed {
        " stroke-dasharray=\"5 4\""
    } else {
        ""
    };
    format!("stroke=\"{}\" stroke-width=\"2\"{dashes}", curve.color)
}

/// The axes of a panel: where a point is drawn.
struct Axes {
    left: f64,
    sizes: (f64, f64),
    highest: f64,
}

impl Axes {
    fn x(&self, size: f64) -> f64 {
        let (first, last) = self.sizes;
        let share = (size / first).ln() / (last / first).ln().max(f64::MIN_POSITIVE);
        self.left + LEFT + share * (PANEL_WIDTH - LEFT - RIGHT)
    }

    fn y(&self, cost: f64) -> f64 {
        PANEL_HEIGHT - BOTTOM - cost / self.highest * (PANEL_HEIGHT - TOP - BOTTOM)
    }
}

fn draw_panel(svg: &mut String, panel: &Panel, left: f64) -> Outcome<()> {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let sizes = points().fold((f64::INFINITY, 0.0_f64), |(low, high), (size, _)| {
        (low.min(*size), high.max(*size))
    });
    let costs = points().fold(0.0_f64, |high, (_, cost)| high.max(*cost));
    let step = tick_step(costs);
    let axes = Axes {
        left,
        sizes,
        highest: (costs / step).ceil() * step,
    };
    writeln!(
        svg,
        "<text x=\"{}\" y=\"46\" font-weight=\"bold\">{}</text>",
        left + LEFT,
        panel.title
    )?;
    let mut ticks: Vec<f64> = points().map(|(size, _)| *size).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    draw_grid(svg, &axes, step, &ticks)?;
    for curve in &panel.curves {
        let path: Vec<String> = curve
            .points
            .iter()
            .map(|(size, cost)| format!("{:.1},{:.1}", axes.x(*size), axes.y(*cost)))
            .collect();
        writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke-linejoin=\"round\" {}/>",
            path.join(" "),
            stroke(curve)
        )?;
        for point in &path {
            let (x, y) = point.split_once(',').unwrap_or_default();
            writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"2.5\" fill=\"{}\"/>",
                curve.color
            )?;
        }
    }
    Ok(())
}

/// Lines across at each tick of the cost, the sizes below and the names of both axes.
fn draw_grid(svg: &mut String, axes: &Axes, step: f64, sizes: &[f64]) -> Outcome<()> {
    let (from, to) = (axes.x(axes.sizes.0), axes.x(axes.sizes.1));
    let ticks = (axes.highest / step).round() as usize;
    for tick in 0..=ticks {
        let cost = tick as f64 * step;
        let y = axes.y(cost);
        writeln!(
            svg,
            "<line x1=\"{from:.1}\" y1=\"{y:.1}\" x2=\"{to:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            from - 7.0,
            y + 4.0,
            (cost * 100.0).round() / 100.0
        )?;
    }
    for size in sizes {
        let (x, bottom) = (axes.x(*size), axes.y(0.0));
        writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{bottom:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#999\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 4.0,
            bottom + 18.0,
            short(*size)
        )?;
    }
    let middle = axes.y(axes.highest / 2.0);
    writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">rows in the table</text>\n\
         <text transform=\"translate({:.1} {middle:.1}) rotate(-90)\" text-anchor=\"middle\">µs per row</text>",
        (from + to) / 2.0,
        axes.y(0.0) + 36.0,
        from - 40.0
    )?;
    Ok(())
}

/// The distance of about five ticks: 1, 2 or 5 times a power of ten.
fn tick_step(highest: f64) -> f64 {
    let rough = highest / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let multiple = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|multiple| power * multiple >= rough)
        .unwrap_or(10.0);
    power * multiple
}

fn short(size: f64) -> String {
    match size {
        _ if size >= 1e6 => format!("{}M", size / 1e6),
        _ if size >= 1e3 => format!("{}k", size / 1e3),
        _ => format!("{size}"),
    }
}
