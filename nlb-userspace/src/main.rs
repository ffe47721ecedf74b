fn main(){ println!("{}", nlb_userspace::programs::EDGE.len()); }
