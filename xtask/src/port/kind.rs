//! What sort of device a node seems to be, from its name and what it is compatible with: names of nodes are generic (Devicetree
//! Specification 0.4, 2.2.2). Only the page is sorted by it.

/// Kinds in the order in which a phone needs them, and the words by which they are known.
const KINDS: &[(&str, &[&str])] = &[
    ("serial lines", &["serial", "uart"]),
    ("clocks and resets", &["clock", "reset", "gcc", "rpmh-clk"]),
    ("pins", &["pinctrl", "gpio", "pinmux", "pio"]),
    ("power", &["regulator", "pmic", "power", "rpm", "cpufreq", "opp", "battery", "charger", "adc"]),
    ("interrupt controllers", &["interrupt", "pdc", "mpm", "gic"]),
    (
        "memory and DMA",
        &["dma", "iommu", "smmu", "cache", "memory", "interconnect", "noc", "llcc", "smem", "hwlock", "hwspinlock"],
    ),
    ("storage", &["mmc", "sdhc", "sdhci", "ufs", "nand", "flash", "sata", "nvme", "efuse", "qfprom", "eeprom"]),
    ("buses", &["i2c", "spi", "spmi", "slimbus", "soundwire", "geniqup", "bus", "pcie", "rpmsg"]),
    ("display", &["display", "dsi", "panel", "mdp", "dpu", "mdss", "hdmi", "edp", "backlight", "framebuffer", "lcd"]),
    (
        "touch and keys",
        &["touch", "touchscreen", "touchpad", "keys", "keypad", "buttons", "pwrkey", "resin", "vibrator"],
    ),
    ("USB", &["usb", "dwc3", "typec", "phy"]),
    ("radio and network", &["wifi", "wlan", "bluetooth", "modem", "mpss", "ethernet", "wcnss", "ipa", "nfc"]),
    ("graphics", &["gpu", "adreno", "mali", "gmu"]),
    ("sound", &["sound", "audio", "codec", "lpass", "adsp", "i2s", "amplifier"]),
    ("camera and video", &["camera", "camss", "cci", "venus", "video", "csi", "isp", "jpeg"]),
    (
        "sensors",
        &["sensor", "imu", "accelerometer", "magnetometer", "proximity", "light", "thermal", "tsens", "temperature"],
    ),
    ("watchdog and time", &["watchdog", "wdt", "rtc", "timer"]),
];

/// Of everything else.
const OTHER: &str = "others";

/// The kind of a node with this path and these names.
pub fn of(path: &str, compatible: &[String]) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.split('@').next().unwrap_or(name);
    by_words(name)
        .or_else(|| {
            compatible.iter().find_map(|name| by_words(name.split_once(',').map_or(name.as_str(), |(_, it)| it)))
        })
        .unwrap_or(OTHER)
}

fn by_words(name: &str) -> Option<&'static str> {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| {
        let plain = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let is = |known: &&str| plain == *known || plain.strip_suffix('s') == Some(known);
        KINDS.iter().find(|(_, words)| words.iter().any(is)).map(|(kind, _)| *kind)
    })
}

/// Where a kind stands among them.
pub fn rank(kind: &str) -> usize {
    KINDS.iter().position(|(known, _)| *known == kind).unwrap_or(KINDS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_names_come_first() {
        let of = |path: &str, compatible: &str| of(path, &[compatible.into()]);
        assert_eq!(of("/soc/mmc@7824900", "qcom,sdhci-msm-v4"), "storage");
        assert_eq!(of("/soc/i2c@1/touchscreen@38", "edt,edt-ft5406"), "touch and keys");
        assert_eq!(of("/soc/x@1", "qcom,msm8916-wcnss-pil"), "radio and network");
        assert_eq!(of("/soc/qcom,foo@1", "qcom,foo"), OTHER);
        assert!(rank("serial lines") < rank("storage") && rank("storage") < rank(OTHER));
    }
}
