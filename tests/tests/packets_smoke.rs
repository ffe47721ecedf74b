#[test]
fn loads() {
    let mut e = nlb_tests::run::Edge::load(7).unwrap();
    let _ = e.ebpf();
    println!("{:?}", e.program().unwrap().info().unwrap());
    let e = nlb_tests::run::Edge::load_with(7, true).unwrap();
    println!("{:?}", e.program().unwrap().info().unwrap());
}
